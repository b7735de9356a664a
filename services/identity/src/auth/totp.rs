//! Proof by a one-time code, or by a recovery code in its place.

use super::admit::Attempt;
use super::{Identity, payload, recovery};
use crate::credential::{self, TOTP};
use crate::totp;
use crate::user::UserSpec;
use jinyun_base::{Fault, Id, Refusal, Secret};
use jinyun_engine::Failure;
use jinyun_rest::{Call, Words};

/// What was right, and has to be used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Code {
    /// The code of a step.
    Step(i64),
    /// One of the recovery codes.
    Recovery(recovery::Code),
}

impl Identity {
    /// The shared secrets of a user that codes can be made from.
    fn secrets(&self, call: &Call<'_>, user: &Id) -> Result<Vec<Secret<Vec<u8>>>, Fault> {
        let blobs = credential::blobs(&self.kms, &call.cloud.reader, user, TOTP)?;
        Ok(blobs.iter().filter_map(|(_, blob)| totp::secret(blob.expose())).collect())
    }

    /// Whether a user has a device that makes one-time codes.
    pub(super) fn has_totp(&self, call: &Call<'_>, user: &Id) -> Result<bool, Fault> {
        Ok(!self.secrets(call, user)?.is_empty())
    }

    pub(super) fn by_totp(&self, call: &Call<'_>, identity: &Words<'_>)
        -> Result<((Id, UserSpec), Code), Failure> {
        let user = payload(identity, "totp")?.object("user")?
            .ok_or_else(|| Refusal::invalid("user", "is required"))?;
        user.only(&["id", "name", "domain", "passcode"])?;
        let passcode = user.need("passcode").map(Secret::new)?;
        let (found, account) = self.find_user(&user)?;
        self.prove_code(call, found, account, &passcode)
    }

    /// A code that fits and was not taken before.
    pub(super) fn prove_code(&self, call: &Call<'_>, found: Option<(Id, UserSpec)>,
        account: String, passcode: &Secret<String>) -> Result<((Id, UserSpec), Code), Failure> {
        let nobody = Id::new("nobody");
        let id = found.as_ref().map_or(&nobody, |(id, _)| id);
        let code = self.code(call, id, passcode.expose())?;
        let wrong = "wrong or used one-time code";
        let fits = code.is_some() && found.is_some();
        let user =
            self.admit(call, Attempt { user: found, account, fits, wrong, locks: true })?;
        match code {
            Some(code) => Ok((user, code)),
            None => Err(Fault::new("a code that fits is none").into()),
        }
    }

    fn code(&self, call: &Call<'_>, user: &Id, passcode: &str) -> Result<Option<Code>, Fault> {
        let secrets = self.secrets(call, user)?;
        let spent = self.activity(call, user)?.map_or(0, |a| a.step);
        if passcode.len() == totp::DIGITS {
            let step = totp::fitting(&secrets, passcode, self.now());
            return Ok(step.filter(|s| *s > spent).map(Code::Step));
        }
        Ok(self.recovery_code(call, user, passcode)?.map(Code::Recovery))
    }
}
