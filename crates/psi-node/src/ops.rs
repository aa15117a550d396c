//! What gRPC and HTTP both do: one function an operation, one kind of error.

use std::{sync::Arc, time::Instant};

use psi_api::Cause;
use psi_engine::{Action, Parameters};
use psi_replica::{CurrentSpec, FieldName, FieldView, Intervention, NotReady, Replica, Shape, Step, WriteError};
use psi_stats::Scale;
use tonic::Code;

use crate::shared::Shared;

/// The operations of a node.
#[derive(Clone)]
pub(crate) struct Ops {
    pub(crate) shared: Arc<Shared>,
}

/// An accepted step, with what else its answer tells.
pub(crate) struct Stepped {
    pub(crate) step: Step,
    pub(crate) field: FieldName,
    pub(crate) engine: String,
    pub(crate) token: String,
}

/// What a client asks of a new field; `None` means the default.
#[derive(Clone, Debug, Default)]
pub(crate) struct NewField {
    pub(crate) engine: Option<String>,
    pub(crate) width: Option<usize>,
    pub(crate) scale_exponent: i32,
    pub(crate) seed: u64,
    pub(crate) parameters: Vec<(String, f64)>,
}

impl Ops {
    /// Scores one vector and takes it in. An empty field name means `default`.
    pub(crate) fn step(&self, field: &str, mut input: Vec<f64>, guardian: bool) -> Result<Stepped, Cause> {
        self.timed(|ops| {
            let field = field_name(field)?;
            if guardian {
                psi_engine::guardian::condition(&mut input);
            }
            let (step, engine, token) = ops.shared.write(|replica, now| {
                let step = replica.step(now, &field, &input)?;
                Ok::<_, WriteError>((step, engine_of(replica, &field), replica.token().to_string()))
            })?;
            ops.shared.metrics.stepped(1);
            Ok(Stepped { step, field, engine, token })
        })
    }

    /// Scores vectors as one write.
    pub(crate) fn step_batch(
        &self,
        field: &str,
        mut inputs: Vec<Vec<f64>>,
        guardian: bool,
    ) -> Result<Vec<Stepped>, Cause> {
        self.timed(|ops| {
            let field = field_name(field)?;
            if guardian {
                inputs.iter_mut().for_each(|input| psi_engine::guardian::condition(input));
            }
            let inputs: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
            let (steps, engine, token) = ops.shared.write(|replica, now| {
                let steps = replica.step_batch(now, &field, &inputs)?;
                Ok::<_, WriteError>((steps, engine_of(replica, &field), replica.token().to_string()))
            })?;
            ops.shared.metrics.stepped(steps.len());
            let last = steps.len() - 1;
            let stepped = steps.into_iter().enumerate().map(|(index, step)| Stepped {
                step,
                field: field.clone(),
                engine: engine.clone(),
                token: if index == last { token.clone() } else { String::new() },
            });
            Ok(stepped.collect())
        })
    }

    /// The field as all nodes' entries make it, and a token for it.
    pub(crate) fn state(&self, field: &str) -> Result<(FieldView, String), Cause> {
        let field = field_name(field)?;
        self.shared.read(|replica| {
            readable(replica)?;
            let view = replica.view(&field).ok_or_else(|| unknown(replica, &field))?;
            Ok((view, replica.token().to_string()))
        })
    }

    /// Every field.
    pub(crate) fn fields(&self) -> Result<Vec<CurrentSpec>, Cause> {
        self.shared.read(|replica| {
            readable(replica)?;
            Ok(replica.field_names().filter_map(|name| Some(replica.view(&name)?.spec)).collect())
        })
    }

    /// Makes a field.
    pub(crate) fn create(&self, name: &str, new: NewField) -> Result<CurrentSpec, Cause> {
        let field = self.counted(FieldName::new(name).map_err(|error| Cause::from(&error)))?;
        let (shape, parameters) = self.counted(new.checked())?;
        self.write(|replica, now| replica.create_field(now, &field, shape, parameters))
    }

    /// Starts a field over with the given parameters, the others at their defaults; its shape stays.
    pub(crate) fn reset(&self, name: &str, parameters: &[(String, f64)]) -> Result<CurrentSpec, Cause> {
        let field = self.counted(field_name(name))?;
        let parameters = self.counted(parse_parameters(parameters))?;
        self.write(|replica, now| {
            let shape = replica.view(&field).map(|view| view.spec.spec.shape).unwrap_or_default();
            replica.reset_field(now, &field, shape, parameters)
        })
    }

    /// Removes a field.
    pub(crate) fn drop_field(&self, name: &str) -> Result<CurrentSpec, Cause> {
        let field = self.counted(FieldName::new(name).map_err(|error| Cause::from(&error)))?;
        self.write(|replica, now| replica.drop_field(now, &field))
    }

    /// Intervenes by hand.
    pub(crate) fn intervene(&self, field: &str, action: Action) -> Result<(Intervention, String), Cause> {
        let field = self.counted(field_name(field))?;
        let done = self.write(|replica, now| {
            let intervention = replica.intervene(now, &field, action)?;
            Ok((intervention, replica.token().to_string()))
        })?;
        self.shared.metrics.intervened(action);
        tracing::info!(%field, %action, noise = done.0.noise, "intervention");
        Ok(done)
    }

    fn write<R>(
        &self,
        change: impl FnOnce(&mut Replica, psi_replica::Now) -> Result<R, WriteError>,
    ) -> Result<R, Cause> {
        self.shared.write(change).map_err(|error| self.refused(Cause::from(&error)))
    }

    fn timed<R>(&self, work: impl FnOnce(&Self) -> Result<R, Refused>) -> Result<R, Cause> {
        let begun = Instant::now();
        let result = work(self);
        self.shared.metrics.step_took(begun.elapsed());
        result.map_err(|Refused(cause)| self.refused(cause))
    }

    fn counted<T>(&self, result: Result<T, Cause>) -> Result<T, Cause> {
        result.map_err(|cause| self.refused(cause))
    }

    /// Counts a refusal.
    pub(crate) fn refused(&self, cause: Cause) -> Cause {
        self.shared.metrics.error(cause.reason);
        cause
    }
}

/// A cause that was not counted yet.
struct Refused(Cause);

impl From<WriteError> for Refused {
    fn from(error: WriteError) -> Self {
        Self(Cause::from(&error))
    }
}

impl From<Cause> for Refused {
    fn from(cause: Cause) -> Self {
        Self(cause)
    }
}

impl NewField {
    fn checked(self) -> Result<(Shape, Parameters), Cause> {
        let default = Shape::default();
        let scale = Scale::new(self.scale_exponent).map_err(|error| {
            Cause::new(Code::InvalidArgument, "BAD_SHAPE", error).with("scale_exponent", self.scale_exponent)
        })?;
        let shape = Shape {
            engine: self.engine.unwrap_or(default.engine),
            width: self.width.unwrap_or(default.width),
            scale,
            seed: self.seed,
        };
        Ok((shape, parse_parameters(&self.parameters)?))
    }
}

/// Parameters by name, over the defaults.
pub(crate) fn parse_parameters(given: &[(String, f64)]) -> Result<Parameters, Cause> {
    const GIVEN_MAX: usize = 2 * psi_engine::DEFINITIONS.len();
    if given.len() > GIVEN_MAX {
        let message = format!("{} parameters were given, there are {}", given.len(), psi_engine::DEFINITIONS.len());
        return Err(Cause::new(Code::InvalidArgument, "BAD_PARAMETER", message).with("got", given.len()));
    }
    Parameters::default()
        .with(given.iter().map(|(name, value)| (name.as_str(), *value)))
        .map_err(|errors| Cause::from(&WriteError::Parameters(errors)))
}

/// The name of a field that a client gave; empty means `default`.
pub(crate) fn field_name(name: &str) -> Result<FieldName, Cause> {
    if name.is_empty() {
        return Ok(FieldName::default_field());
    }
    FieldName::new(name).map_err(|error| Cause::from(&error))
}

fn engine_of(replica: &Replica, field: &FieldName) -> String {
    replica.engine_name(field).unwrap_or_default()
}

/// A node that has not caught up would show too little.
fn readable(replica: &Replica) -> Result<(), Cause> {
    match replica.may_write() {
        Err(error @ NotReady::Joining(_)) => Err(Cause::from(&WriteError::NotReady(error))),
        _ => Ok(()),
    }
}

fn unknown(replica: &Replica, field: &FieldName) -> Cause {
    let known = replica.field_names().take(10).collect();
    Cause::from(&WriteError::UnknownField { field: field.clone(), known })
}
