//! Refusals in each protocol's own words. The only place that knows a status code.

use jinyun_base::{Refusal, Refused};
use jinyun_engine::Failure;
use serde_json::{Value, json};

/// How a service writes its errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Keystone.
    Identity,
    /// Neutron.
    Network,
    /// Nova.
    Compute,
    /// Cinder.
    Volume,
    /// Glance: HTML, as webob writes it.
    Image,
    /// Our own API.
    Own,
}

/// Status, content type and body of a failure. `request` goes into what the caller is told when the
/// machinery failed: the operator finds the cause by it.
pub fn render(dialect: Dialect, failure: &Failure, request: &str) -> (u16, &'static str, String) {
    let refusal = match failure {
        Failure::Refused(refusal) => refusal.clone(),
        Failure::Fault(_) => {
            let say = format!(
                "The request could not be carried out and nothing was changed. Try again; if it \
                 fails again, give the operator the request id {request}."
            );
            return body(dialect, 503, "ServiceUnavailable", &say);
        }
    };
    let status = status(dialect, &refusal);
    body(dialect, status, word(dialect, &refusal), &refusal.message)
}

fn status(dialect: Dialect, refusal: &Refusal) -> u16 {
    match refusal.why {
        Refused::Invalid(_) => 400,
        Refused::NotFound => 404,
        Refused::Unauthenticated => 401,
        Refused::Forbidden | Refused::NeedsApproval(_) => 403,
        Refused::Conflict | Refused::Taken => 409,
        Refused::Stale => 412,
        Refused::TooLarge => 413,
        Refused::NotOffered if dialect == Dialect::Compute => 501,
        Refused::NotOffered => 404,
        Refused::OverQuota { .. } => match dialect {
            Dialect::Network => 409,
            Dialect::Volume | Dialect::Image => 413,
            _ => 403,
        },
    }
}

/// Neutron names its exceptions.
fn word(dialect: Dialect, refusal: &Refusal) -> &'static str {
    if dialect != Dialect::Network {
        return "";
    }
    match refusal.why {
        Refused::Invalid(_) => "HTTPBadRequest",
        Refused::NotFound => "NotFound",
        Refused::Unauthenticated => "HTTPUnauthorized",
        Refused::Forbidden | Refused::NeedsApproval(_) => "PolicyNotAuthorized",
        Refused::Conflict => "InUse",
        Refused::Taken => "Conflict",
        Refused::Stale => "RevisionNumberConstraintFailed",
        Refused::TooLarge => "HTTPRequestEntityTooLarge",
        Refused::NotOffered => "HTTPNotFound",
        Refused::OverQuota { .. } => "OverQuota",
    }
}

/// The title of a status, as HTTP names it.
pub(crate) fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        409 => "Conflict",
        412 => "Precondition Failed",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "Error",
    }
}

fn nova_word(status: u16) -> &'static str {
    match status {
        400 | 406 | 412 => "badRequest",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "itemNotFound",
        405 => "badMethod",
        409 => "conflictingRequest",
        413 => "overLimit",
        415 => "badMediaType",
        501 => "notImplemented",
        503 => "serviceUnavailable",
        _ => "computeFault",
    }
}

/// An error that has no refusal behind it: a method that a path does not have, a path that nothing
/// answers.
pub(crate) fn body(dialect: Dialect, status: u16, word: &str, message: &str)
    -> (u16, &'static str, String) {
    const JSON: &str = "application/json";
    let value: Value = match dialect {
        Dialect::Identity | Dialect::Own => json!({
            "error": { "code": status, "message": message, "title": title(status) }
        }),
        // A token that is missing is refused before Neutron, by the middleware.
        Dialect::Network if status == 401 => json!({
            "error": { "code": 401, "message": message, "title": "Unauthorized" }
        }),
        Dialect::Network => json!({
            "NeutronError": { "type": word, "message": message, "detail": "" }
        }),
        Dialect::Compute | Dialect::Volume if status == 401 => json!({
            "error": { "code": 401, "message": message, "title": "Unauthorized" }
        }),
        Dialect::Compute | Dialect::Volume => {
            json!({ nova_word(status): { "code": status, "message": message } })
        }
        Dialect::Image => {
            let escaped = message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let title = title(status);
            let html = format!(
                "<html>\n <head>\n  <title>{status} {title}</title>\n </head>\n <body>\n  \
                 <h1>{status} {title}</h1>\n  {escaped}<br /><br />\n\n\n\n </body>\n</html>"
            );
            return (status, "text/html; charset=UTF-8", html);
        }
    };
    (status, JSON, value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_speaks_its_own_words() {
        let quota = Refused::OverQuota { item: "cores".into(), asked: 1, used: 2, limit: 2 };
        let cases = [
            (Dialect::Identity, Refused::NotFound,
                r#"404 {"error":{"code":404,"message":"m","title":"Not Found"}}"#),
            (Dialect::Network, Refused::Conflict,
                r#"409 {"NeutronError":{"detail":"","message":"m","type":"InUse"}}"#),
            (Dialect::Compute, Refused::Invalid("x".into()),
                r#"400 {"badRequest":{"code":400,"message":"m"}}"#),
            (Dialect::Compute, quota.clone(), r#"403 {"forbidden":{"code":403,"message":"m"}}"#),
            (Dialect::Volume, quota.clone(), r#"413 {"overLimit":{"code":413,"message":"m"}}"#),
            (Dialect::Network, quota,
                r#"409 {"NeutronError":{"detail":"","message":"m","type":"OverQuota"}}"#),
        ];
        for (dialect, why, want) in cases {
            let (status, _, body) = render(dialect, &Refusal::new(why, "m").into(), "req-1");
            assert_eq!(format!("{status} {body}"), want);
        }
        let fault = Failure::Fault(jinyun_base::Fault::new("disk /secret/path full"));
        let (status, _, body) = render(Dialect::Compute, &fault, "req-7");
        assert_eq!(status, 503);
        assert!(body.contains("req-7") && !body.contains("/secret/path"), "{body}");
    }
}
