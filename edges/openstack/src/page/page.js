// The sign-in page. Text goes into it as text and never as markup. The token lives in a variable of this
// script and nowhere else: it is gone with the page.
"use strict";
(() => {
  const WORDS = {
    en: {
      title: "Sign in - Jinyun", other: "中文", signIn: "Sign in", byPasskey: "Sign in with a passkey",
      byPassword: "With a password", user: "User", domain: "Domain (institution)", password: "Password",
      second: "Second factor", passcode: "One-time code or recovery code", enter: "Sign in", again: "Start again",
      asks: "A program asks to be let in. Sign in to see what asks.",
      noPasskeys: "This browser has no passkeys.",
      address: "Passkeys belong to a name, not to an address. Open this page by the name of this cloud: ",
      inside: "You are signed in", who: (user, domain, until) => `${user} of ${domain}, until ${until}.`,
      before: (at, from) => `The sign-in before was at ${at} from ${from}.`, unknown: "an unknown address",
      failures: (n) => ` Since then ${n} sign-ins failed.`,
      leave: "Sign out", device: "Let a program in", deviceCode: "Code that the program shows", look: "See what asks",
      askedCode: "Code", askedClient: "Says it is", askedSource: "Address", askedAt: "Asked at",
      elsewhere: "It runs at another address than this browser.",
      compare: "Compare the code with the one that the program shows to you. Allow only what you have started yourself a "
        + "moment ago: it will act as you. If somebody sent you this code or this link, refuse.",
      allow: "Allow", refuse: "Refuse",
      allowed: "The program is let in. Close this page. To sign out here ends the program's sign-in, too.",
      refused: "The program was refused.",
      passkeys: "Passkeys", none: "You have none yet.", name: "Name of a new passkey", make: "Add a passkey",
      passkeyName: "My passkey",
      made: (at, used) => used ? `made ${at}, last used ${used}` : `made ${at}, not used yet`, remove: "Delete",
      removes: (name) => `Delete passkey ${name}`,
      sure: (name) => `Delete the passkey "${name}"? It will not sign you in any more, and all your sign-ins end, this one too.`,
      added: "The passkey is added.", gone: "The passkey is deleted. All your sign-ins are over: sign in again.",
      out: "You are signed out.",
      only: "A second factor is needed first: add a passkey here, sign out, and sign in with it.",
      over: "The sign-in is over. Sign in again.",
      stale: "Sign in again first: a passkey is made within ten minutes of a sign-in.",
      nameless: "This cloud has no passkeys: its operator has given it no name that they could be made for.",
      wrong: "Not let in. Look at the user, the domain and the password.", wrongKey: "Not let in with this passkey.",
      cancelled: "The browser used no passkey: it was cancelled, or there is none for this cloud.",
      known: "This device has a passkey of yours already.", code: "A one-time code is asked for.",
      more: "More is asked of you than this: ", change: "The password has to be changed first: ",
      unreachable: "The cloud does not answer. Try again.",
    },
    zh: {
      title: "登录 - 金云", other: "English", signIn: "登录", byPasskey: "使用通行密钥登录",
      byPassword: "使用密码", user: "用户", domain: "域（机构）", password: "密码",
      second: "第二要素", passcode: "一次性口令或恢复码", enter: "登录", again: "重新开始",
      asks: "有程序请求以您的身份登录。登录后可查看是谁在请求。",
      noPasskeys: "此浏览器不支持通行密钥。",
      address: "通行密钥绑定域名而不是地址。请用本云的域名打开此页面：",
      inside: "您已登录", who: (user, domain, until) => `${domain} 的 ${user}，有效期至 ${until}。`,
      before: (at, from) => `上次登录：${at}，来自 ${from}。`, unknown: "未知地址",
      failures: (n) => `此后有 ${n} 次登录失败。`,
      leave: "退出登录", device: "允许程序登录", deviceCode: "程序显示的代码", look: "查看请求",
      askedCode: "代码", askedClient: "自称", askedSource: "地址", askedAt: "请求时间",
      elsewhere: "该程序运行的地址与此浏览器不同。",
      compare: "请核对代码与程序显示的是否一致。只允许您自己刚刚启动的程序：它将以您的身份操作。如果代码或链接是别人发给您的，请拒绝。",
      allow: "允许", refuse: "拒绝",
      allowed: "已允许该程序登录，可以关闭此页面。在此退出登录也会结束该程序的登录。",
      refused: "已拒绝该程序。",
      passkeys: "通行密钥", none: "您还没有通行密钥。", name: "新通行密钥的名称", make: "添加通行密钥",
      passkeyName: "我的通行密钥",
      made: (at, used) => used ? `创建于 ${at}，上次使用 ${used}` : `创建于 ${at}，尚未使用`, remove: "删除",
      removes: (name) => `删除通行密钥 ${name}`,
      sure: (name) => `删除通行密钥“${name}”？此后不能再用它登录，并且您的所有登录（包括本次）都会结束。`,
      added: "通行密钥已添加。", gone: "通行密钥已删除。您的所有登录均已结束，请重新登录。",
      out: "您已退出登录。",
      only: "需要先有第二要素：请在此添加通行密钥，退出后用它重新登录。",
      over: "登录已失效，请重新登录。",
      stale: "请先重新登录：只能在登录后十分钟内添加通行密钥。",
      nameless: "本云不提供通行密钥：运营方尚未为其设定可绑定的域名。",
      wrong: "未能登录。请检查用户、域和密码。", wrongKey: "未能用此通行密钥登录。",
      cancelled: "浏览器未使用通行密钥：操作已取消，或此设备上没有本云的通行密钥。",
      known: "此设备上已有您的通行密钥。", code: "需要一次性口令。",
      more: "还需要更多认证要素：", change: "需要先修改密码：",
      unreachable: "云平台没有应答，请重试。",
    },
  };
  const API = "/identity/v3";
  const OWN = `${API}/OS-JINYUN`;
  const asked = new URLSearchParams(location.search);
  const at = (id) => document.getElementById(id);
  const byAddress = /^[\d.]+$|^\[/.test(location.hostname);

  let language = /^zh\b/i.test(navigator.language || "") ? "zh" : "en";
  let said = {};        // what stands in #trouble and #done, to be said again in the other language
  let token = null;     // never stored
  let account = null;   // what the platform says of it
  let receipt = null;   // half a sign-in
  let waiting = null;   // the program that is looked at
  let keys = null;      // the passkeys; null if they may not be seen
  let named = "";       // this page by the name that passkeys are made for, if it was opened by an address
  let offered = true;   // whether there are passkeys here at all, as far as that is known

  const words = () => WORDS[language];
  const show = (element, on) => { element.hidden = !on; };

  function moment(text) {
    const time = new Date(text);
    return Number.isNaN(time.getTime()) ? String(text) : time.toLocaleString(language === "zh" ? "zh-CN" : "en-GB");
  }

  // What happened, in the language of the page: a key of WORDS and what the platform said itself.
  function say(where, key, more = "") {
    said = { [where]: [key, more] };
    speak();
    at(where).focus();
  }

  function speak() {
    for (const where of ["trouble", "done"]) {
      const [key, more] = said[where] || [];
      at(where).textContent = key === undefined ? "" : (words()[key] || "") + more;
      show(at(where), key !== undefined);
    }
  }

  function quiet() {
    said = {};
    speak();
  }

  function write() {
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
    document.title = words().title;
    at("language").textContent = words().other;
    at("language").lang = language === "zh" ? "en" : "zh-CN";
    for (const element of document.querySelectorAll("[data-t]")) {
      element.textContent = words()[element.dataset.t];
    }
    const why = obstacle();
    for (const id of ["no-passkey", "no-passkey-2"]) {
      at(id).textContent = why;
      show(at(id), why);
    }
    at("by-passkey").disabled = why !== "";
    at("make").disabled = why !== "";
    if (!at("name").value || Object.values(WORDS).some((w) => w.passkeyName === at("name").value)) {
      at("name").value = words().passkeyName;
    }
    speak();
    if (account) inside();
    if (waiting) program();
    list();
  }

  // Why passkeys do not work here, in words; empty if they do.
  function obstacle() {
    if (!offered) return words().nameless;
    if (byAddress) return words().address + named;
    return window.PublicKeyCredential && navigator.credentials ? "" : words().noPasskeys;
  }

  // Requests -------------------------------------------------------------------------------------------------

  // `went`: whether there was an answer at all.
  async function ask(method, path, body, headers = {}) {
    const sent = { Accept: "application/json", ...headers };
    if (body !== undefined) sent["Content-Type"] = "application/json";
    if (token) sent["X-Auth-Token"] = token;
    let answer;
    try {
      answer = await fetch(path, {
        method, headers: sent, body: body === undefined ? undefined : JSON.stringify(body),
        cache: "no-store", credentials: "omit", redirect: "error", referrerPolicy: "no-referrer",
      });
    } catch {
      return { went: false, status: 0, json: {}, headers: new Headers(), message: "" };
    }
    let json = {};
    try {
      json = JSON.parse(await answer.text()) || {};
    } catch { /* an empty body */ }
    const message = typeof json.error?.message === "string" ? json.error.message : "";
    return { went: true, status: answer.status, json, headers: answer.headers, message };
  }

  // Says what an answer that is no success means.
  function trouble(answer, key) {
    if (!answer.went || answer.status >= 500) return say("trouble", "unreachable");
    if (answer.status === 401 && token) {
      outside();
      return say("trouble", "over");
    }
    if (answer.message.startsWith("Sign in again first")) return say("trouble", "stale");
    if (unoffered(answer)) return say("trouble", "nameless");
    say("trouble", key || "", key ? "" : answer.message || `HTTP ${answer.status}`);
  }

  // Whether an answer says that there are no passkeys here; then nothing asks for them any more.
  function unoffered(answer) {
    if (!answer.message.startsWith("Passkeys are not set up here")) return false;
    offered = false;
    write();
    return true;
  }

  // Runs what a button is for, once at a time.
  function on(element, event, work) {
    element.addEventListener(event, async (happened) => {
      happened.preventDefault();
      if (document.body.getAttribute("aria-busy") === "true") return;
      document.body.setAttribute("aria-busy", "true");
      quiet();
      try {
        await work();
      } finally {
        document.body.setAttribute("aria-busy", "false");
      }
    });
  }

  // Passkeys -------------------------------------------------------------------------------------------------

  function bytes(text) {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (c) => c.charCodeAt(0));
  }

  function text(buffer) {
    if (!buffer) return undefined;
    const plain = Array.from(new Uint8Array(buffer), (b) => String.fromCharCode(b)).join("");
    return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  const described = (items) => (items || []).map((item) => ({ ...item, id: bytes(item.id) }));

  // For browsers that do not read and write the JSON forms themselves (Web Authentication, level 3).
  function toCreate(json) {
    if (PublicKeyCredential.parseCreationOptionsFromJSON) return PublicKeyCredential.parseCreationOptionsFromJSON(json);
    return { ...json, challenge: bytes(json.challenge), user: { ...json.user, id: bytes(json.user.id) },
      excludeCredentials: described(json.excludeCredentials) };
  }

  function toGet(json) {
    if (PublicKeyCredential.parseRequestOptionsFromJSON) return PublicKeyCredential.parseRequestOptionsFromJSON(json);
    return { ...json, challenge: bytes(json.challenge), allowCredentials: described(json.allowCredentials) };
  }

  function toJson(credential) {
    if (typeof credential.toJSON === "function") return credential.toJSON();
    const { response } = credential;
    const parts = { clientDataJSON: text(response.clientDataJSON) };
    for (const part of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (response[part]) parts[part] = text(response[part]);
    }
    if (response.getTransports) parts.transports = response.getTransports();
    return { id: credential.id, rawId: text(credential.rawId), type: credential.type, response: parts,
      clientExtensionResults: credential.getClientExtensionResults() };
  }

  // What a browser that did not do it means.
  function declined(error) {
    const known = error && error.name === "InvalidStateError";
    const plain = error && ["NotAllowedError", "AbortError"].includes(error.name);
    if (known || plain) return say("trouble", known ? "known" : "cancelled");
    say("trouble", "", error && error.message ? error.message : String(error));
  }

  async function byPasskey() {
    const challenge = await ask("POST", `${OWN}/passkeys/challenge`, {});
    if (challenge.status !== 200) return trouble(challenge);
    let credential;
    try {
      const publicKey = toGet(challenge.json.passkey_challenge.publicKey);
      credential = toJson(await navigator.credentials.get({ publicKey }));
    } catch (error) {
      return declined(error);
    }
    const answer = await ask("POST", `${API}/auth/tokens`, { auth: {
      identity: { methods: ["passkey"], passkey: { credential } }, scope: "unscoped",
    } });
    await entered(answer, "wrongKey");
  }

  async function add() {
    const options = await ask("POST", `${OWN}/passkeys/options`, {});
    if (options.status !== 200) return trouble(options);
    let credential;
    try {
      const publicKey = toCreate(options.json.passkey_options.publicKey);
      credential = toJson(await navigator.credentials.create({ publicKey }));
    } catch (error) {
      return declined(error);
    }
    const answer = await ask("POST", `${OWN}/passkeys`, { passkey: { name: at("name").value.trim(), credential } });
    if (answer.status !== 201) return trouble(answer);
    if (keys) await look();
    say("done", "added");
  }

  // The passkeys that there are, if this sign-in may see them.
  async function look() {
    const answer = await ask("GET", `${OWN}/passkeys`);
    keys = answer.status === 200 && Array.isArray(answer.json.passkeys) ? answer.json.passkeys : null;
    list();
  }

  function list() {
    const items = (keys || []).map((key) => {
      const item = document.createElement("li");
      const what = document.createElement("span");
      what.textContent = `${key.name} (${words().made(moment(key.created_at), key.last_used_at && moment(key.last_used_at))})`;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = words().remove;
      button.setAttribute("aria-label", words().removes(key.name));
      on(button, "click", () => remove(key));
      item.append(what, button);
      return item;
    });
    if (keys && !items.length) {
      const item = document.createElement("li");
      item.textContent = words().none;
      items.push(item);
    }
    at("list").replaceChildren(...items);
  }

  async function remove(key) {
    if (!window.confirm(words().sure(key.name))) return;
    const answer = await ask("DELETE", `${OWN}/passkeys/${encodeURIComponent(key.id)}`);
    if (answer.status !== 204) return trouble(answer);
    // With it all ends that was signed in to.
    outside();
    say("done", "gone");
  }

  // In and out -----------------------------------------------------------------------------------------------

  async function byPassword() {
    const second = receipt !== null;
    const user = second && receipt.user?.id ? { id: receipt.user.id }
      : { name: at("user").value, domain: { name: at("domain").value } };
    const method = second ? "totp" : "password";
    const proof = second ? { passcode: at("passcode").value.trim() } : { password: at("password").value };
    const identity = { methods: [method], [method]: { user: { ...user, ...proof } } };
    const headers = second ? { "Openstack-Auth-Receipt": receipt.text } : {};
    const answer = await ask("POST", `${API}/auth/tokens`, { auth: { identity, scope: "unscoped" } }, headers);
    at("passcode").value = "";
    const half = answer.headers.get("Openstack-Auth-Receipt");
    const ways = answer.json.required_auth_methods || answer.json.receipt?.required_auth_methods || [];
    if (answer.status === 401 && half) {
      if (!second && ways.some((way) => way.includes("totp"))) {
        receipt = { text: half, user: answer.json.receipt?.user };
        steps();
        at("passcode").focus();
        return say2("code");
      }
      begin();
      return say("trouble", "more", ways.map((way) => way.join(" + ")).join(", "));
    }
    if (answer.message.includes("needs to be changed")) return say("trouble", "change", answer.message);
    await entered(answer, "wrong");
  }

  // Without taking the place away in which somebody is to type.
  function say2(key) {
    said = { done: [key, ""] };
    speak();
  }

  async function entered(answer, key) {
    const got = answer.headers.get("X-Subject-Token");
    if (answer.status !== 201 || !got) {
      const own = answer.message && !answer.message.includes("requires authentication");
      return trouble(answer, own ? undefined : key);
    }
    token = got;
    account = answer.json.token;
    begin();
    show(at("outside"), false);
    show(at("inside"), true);
    inside();
    await look();
    at("t-inside").focus();
    if (asked.get("code")) {
      at("device-code").value = asked.get("code");
      await see();
    } else if (asked.has("add")) {
      at("passkeys").scrollIntoView();
      at("name").focus();
    }
  }

  function inside() {
    at("who").textContent = words().who(account.user.name, account.user.domain.name, moment(account.expires_at));
    const before = account.jinyun_last_login;
    let told = "";
    if (before?.last_login_at) {
      told = words().before(moment(before.last_login_at), before.last_login_source || words().unknown);
      if (before.failures_since > 0) told += words().failures(before.failures_since);
    }
    at("before").textContent = told;
  }

  // Which part of a sign-in by password is asked for.
  function steps() {
    const second = receipt !== null;
    show(at("second"), second);
    show(at("again"), second);
    show(at("first"), !second);
    at("passcode").disabled = !second;
    for (const id of ["user", "domain", "password"]) at(id).disabled = second;
  }

  function begin() {
    receipt = null;
    at("password").value = "";
    at("passcode").value = "";
    steps();
  }

  function outside() {
    token = account = waiting = keys = null;
    list();
    show(at("asked"), false);
    show(at("inside"), false);
    show(at("outside"), true);
    show(at("asks"), asked.get("code"));
    begin();
  }

  async function leave() {
    const answer = await ask("DELETE", `${API}/auth/tokens`, undefined, { "X-Subject-Token": token });
    // Not good any more: there is nothing to revoke.
    if (answer.status !== 204 && answer.status !== 401 && answer.status !== 404) return trouble(answer);
    outside();
    say("done", "out");
  }

  // Letting a program in -------------------------------------------------------------------------------------

  const place = (code) => `${OWN}/device/${encodeURIComponent(code)}`;

  async function see() {
    waiting = null;
    show(at("asked"), false);
    const code = at("device-code").value.trim().toUpperCase();
    const answer = await ask("GET", place(code));
    // Whoever signed in with one factor where two are due enrols the other one first.
    if (answer.status === 403 && answer.message.includes("token does not allow")) return say("trouble", "only");
    if (answer.status !== 200) return trouble(answer);
    waiting = { code, ...answer.json.device };
    program();
    show(at("asked"), true);
    at("t-device").scrollIntoView();
  }

  function program() {
    at("asked-code").textContent = waiting.code;
    at("asked-client").textContent = waiting.client;
    at("asked-source").textContent = waiting.source;
    at("asked-at").textContent = moment(waiting.asked_at);
    show(at("elsewhere"), !waiting.same_address);
  }

  async function answer(word) {
    const given = await ask("POST", place(waiting.code), { device: { answer: word } });
    waiting = null;
    show(at("asked"), false);
    at("device-code").value = "";
    asked.delete("code");
    if (given.status !== 204) return trouble(given);
    say("done", word === "allow" ? "allowed" : "refused");
  }

  at("language").addEventListener("click", () => {
    language = language === "zh" ? "en" : "zh";
    write();
  });
  on(at("by-passkey"), "click", byPasskey);
  on(at("by-password"), "submit", byPassword);
  on(at("again"), "click", () => { begin(); at("user").focus(); });
  on(at("leave"), "click", leave);
  on(at("device-form"), "submit", see);
  on(at("allow"), "click", () => answer("allow"));
  on(at("refuse"), "click", () => answer("refuse"));
  on(at("add"), "submit", add);

  // Whoever comes back to a page that the browser has kept finds nobody signed in.
  window.addEventListener("pagehide", () => { token = null; });
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  outside();
  write();
  ask("GET", `${OWN}/notice`).then((told) => {
    at("notice").textContent = told.json.notice?.text || "";
  });
  if (byAddress) {
    // The name that passkeys are made for is told with each challenge.
    ask("POST", `${OWN}/passkeys/challenge`, {}).then((told) => {
      if (unoffered(told)) return;
      const name = told.json.passkey_challenge?.publicKey?.rpId;
      if (name) named = `https://${name}${location.port ? `:${location.port}` : ""}/sign-in${location.search}`;
      write();
    });
  }
})();
