//! How frames of links are read: bounded first, then decoded.

use bytes::Buf;
use prost::Message;
use psi_replica::{decode_frame, proto::Frame};
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

/// The codec of `ReplicationService`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkCodec;

impl Codec for LinkCodec {
    type Encode = Frame;
    type Decode = Frame;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for LinkCodec {
    type Item = Frame;
    type Error = Status;

    fn encode(&mut self, frame: Frame, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        frame.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for LinkCodec {
    type Item = Frame;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Frame>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        decode_frame(bytes).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
