"""How a program is let in by a browser (RFC 8628), and the page on which that is done.

The right answer to a program is given once and ends it, so it is tests/passkey.py that gives one."""

from abuse_cases import case, fresh


def device_cases():
    add = lambda which, **settings: case("identity", which, **settings)
    # Each from an address of its own: one address has ten that wait.
    add("POST /v3/OS-JINYUN/device", other=None, who="anybody", open=True, away=True,
        body=lambda w: {"device": {"client": fresh()}}, members="client!=name")
    one = "/v3/OS-JINYUN/device/{user_code}"
    # After ten wrong codes none is looked at any more.
    add(f"GET {one}", other=None, who="any user", here="user_code=user_code", absent={403, 404})
    add(f"POST {one}", other=None, who="any user", here="user_code=user_code", absent={403, 404}, tried=False,
        body=lambda w: {"device": {"answer": "refuse"}}, members="answer!=plain")
    for path in ("/", "/page.js", "/page.css"):
        case("sign-in", f"GET {path}", other=None, who="anybody", open=True)
