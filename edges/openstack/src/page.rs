//! The page on which people sign in by a browser, below `/sign-in`.
//!
//! Problem: a passkey is made and used by a browser and by nothing else, so something has to be there for
//! one to open. Mechanism: three files that are a part of the program and never change while it runs; all
//! that they do, they ask of the identity service's API like any other client. They are routes in the
//! same table as the rest, on both listeners.
//!
//! The page asks for passwords, so whatever is not needed is shut by its policy: no script but its own
//! file, none in the markup, no other place to connect to, no form that leaves by itself, no frame around
//! it, no text that becomes markup. A kit of parts from elsewhere would be larger than the page.

use jinyun_rest::{Body, Reply, Route};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

const FILES: [(&str, &str, &str); 3] = [
    ("/", "text/html; charset=utf-8", include_str!("page/page.html")),
    ("/page.js", "text/javascript; charset=utf-8", include_str!("page/page.js")),
    ("/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
];

/// The routes of the page.
pub fn page() -> Vec<Route> {
    FILES.into_iter().map(|(path, kind, text)| {
        Route::new("GET", path, "", move |_| {
            let reply = Reply { status: 200, body: Body::Text(text.into()), headers: Vec::new() };
            Ok(reply.header("content-type", kind)
                .header("content-security-policy", POLICY)
                .header("cache-control", "no-store")
                .header("x-content-type-options", "nosniff")
                .header("x-frame-options", "DENY")
                .header("referrer-policy", "no-referrer")
                .header("cross-origin-opener-policy", "same-origin")
                .header("cross-origin-resource-policy", "same-origin"))
        }).open()
    }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> &'static str {
        FILES.iter().find(|(at, ..)| *at == path).unwrap().2
    }

    #[test]
    fn the_page_keeps_its_own_policy() {
        let (html, script) = (file("/"), file("/page.js"));
        for word in ["<style", "style=", " onclick", " onsubmit", "javascript:", "http:", "https:",
            "<iframe"] {
            assert!(!html.contains(word), "{word}");
        }
        // The one script is a file, and so has no text between its tags.
        assert_eq!((html.matches("<script").count(), html.matches("></script>").count()), (1, 1));
        for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(",
            "new Function", "localStorage", "sessionStorage", "indexedDB", "document.cookie"] {
            assert!(!script.contains(word), "{word}");
        }
        for word in ["'unsafe", "*", "http"] {
            assert!(!POLICY.contains(word), "{word}");
        }
    }

    #[test]
    fn every_word_is_there_in_both_languages() {
        let (html, script) = (file("/"), file("/page.js"));
        let (english, chinese) = script.split_once("\n    zh: {").unwrap();
        let chinese = chinese.split_once("\n  };").unwrap().0;
        let used: Vec<&str> = html.split("data-t=\"").skip(1)
            .map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(used.len() > 20, "{used:?}");
        for word in used {
            for (language, text) in [("en", english), ("zh", chinese)] {
                let there = [" ", "\n"].iter().any(|gap| text.contains(&format!("{gap}{word}:")));
                assert!(there, "{language} has no {word}");
            }
        }
    }

    #[test]
    fn it_is_shown_to_whoever_asks() {
        let routes = page();
        assert_eq!(routes.len(), FILES.len());
        for route in &routes {
            assert!(!route.token && route.method == "GET" && route.action.is_empty(), "{}", route.path);
        }
    }
}
