//! How requests, responses and records are written. Of each there is one encoding, and nothing else is read.

use prost::Message;

use crate::{
    message::{Answer, Call, Request, Response},
    proto::{self, request, response},
    refusal::DecodeError,
    register::{RegisterId, RegisterName},
    voter::{OpenStep, Record},
};

mod canonical;
mod parts;
mod refusals;

pub(crate) use canonical::decode;

impl Request {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let call = match &self.call {
            Call::Prepare(ballot) => request::Call::Prepare(parts::write_ballot(*ballot)),
            Call::Accept(proposal) => request::Call::Accept(parts::write_proposal(proposal)),
            Call::Announce => request::Call::Announcement(proto::Announcement {}),
        };
        let message = proto::Request {
            register: self.register.to_string(),
            register_id: self.register_id.as_bytes().to_vec(),
            previous: Some(parts::write_decision(&self.previous)),
            call: Some(call),
        };
        message.encode_to_vec()
    }

    /// Reads a request.
    ///
    /// # Errors
    /// The bytes are no request, or not written as [`Request::encode`] writes it.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let message: proto::Request = decode("request", bytes)?;
        let call = match message.call.ok_or(DecodeError::Part("call"))? {
            request::Call::Prepare(ballot) => Call::Prepare(parts::read_prepared(ballot)?),
            request::Call::Accept(proposal) => Call::Accept(parts::read_proposal(proposal)?),
            request::Call::Announcement(proto::Announcement {}) => Call::Announce,
        };
        Ok(Self {
            register: RegisterName::new(&message.register)?,
            register_id: read_id(message.register_id)?,
            previous: parts::read_decision(message.previous)?,
            call,
        })
    }
}

impl Response {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let answer = match &self.answer {
            Answer::Promise(accepted) => {
                response::Answer::Promise(proto::Promise { accepted: accepted.as_ref().map(parts::write_proposal) })
            }
            Answer::Vote => response::Answer::Vote(proto::Vote {}),
            Answer::Nack(promised) => response::Answer::Nack(parts::write_ballot(*promised)),
            Answer::Decision(decision) => response::Answer::Decision(parts::write_decision(decision)),
            Answer::Hold(left_ms) => response::Answer::Hold(proto::Hold { left_ms: *left_ms }),
            Answer::Refusal(refusal) => response::Answer::Refusal(refusals::write(refusal)),
        };
        let message = proto::Response {
            register_id: self.register_id.as_bytes().to_vec(),
            step: self.step.0,
            ballot: self.ballot.map(parts::write_ballot),
            answer: Some(answer),
        };
        message.encode_to_vec()
    }

    /// Reads a response.
    ///
    /// # Errors
    /// The bytes are no response, or not written as [`Response::encode`] writes it.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let message: proto::Response = decode("response", bytes)?;
        let (register_id, step) = (read_id(message.register_id)?, parts::read_open_step(message.step)?);
        let ballot = message.ballot.map(parts::read_ballot).transpose()?;
        let answer = match message.answer.ok_or(DecodeError::Part("answer"))? {
            response::Answer::Promise(promise) => {
                Answer::Promise(promise.accepted.map(parts::read_proposal).transpose()?)
            }
            response::Answer::Vote(proto::Vote {}) => Answer::Vote,
            response::Answer::Nack(promised) => Answer::Nack(parts::read_ballot(promised)?),
            response::Answer::Decision(decision) => Answer::Decision(parts::read_decision(Some(decision))?),
            response::Answer::Hold(proto::Hold { left_ms }) => Answer::Hold(left_ms),
            response::Answer::Refusal(refusal) => Answer::Refusal(refusals::read(refusal, register_id, step, ballot)?),
        };
        Ok(Self { register_id, step, ballot, answer })
    }
}

impl Record {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let message = proto::Record {
            voter: self.voter.as_bytes().to_vec(),
            register: self.register.to_string(),
            register_id: self.register_id.as_bytes().to_vec(),
            last: Some(parts::write_decision(&self.last)),
            promised: self.open.promised.map(parts::write_ballot),
            accepted: self.open.accepted.as_ref().map(parts::write_proposal),
        };
        message.encode_to_vec()
    }

    /// Reads a record.
    ///
    /// # Errors
    /// The bytes are no record, or not written as [`Record::encode`] writes it.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let message: proto::Record = decode("record", bytes)?;
        let open = OpenStep {
            promised: message.promised.map(parts::read_ballot).transpose()?,
            accepted: message.accepted.map(parts::read_proposal).transpose()?,
        };
        // What was accepted was promised, too.
        if open.accepted.as_ref().is_some_and(|accepted| open.promised < Some(accepted.ballot)) {
            return Err(DecodeError::Part("promise"));
        }
        Ok(Self {
            voter: parts::read_key(message.voter)?,
            register: RegisterName::new(&message.register)?,
            register_id: read_id(message.register_id)?,
            last: parts::read_decision(message.last)?,
            open,
        })
    }
}

fn read_id(bytes: Vec<u8>) -> Result<RegisterId, DecodeError> {
    bytes.try_into().map(RegisterId::from_bytes).map_err(|_| DecodeError::Part("register id"))
}
