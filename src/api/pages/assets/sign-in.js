"use strict";

const byId = (id) => document.getElementById(id);
const show = (id, visible) => { byId(id).hidden = !visible; };

async function ask(method, path, body) {
  const options = { method, headers: { Accept: "application/json" } };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const response = await fetch(path, options);
  const text = await response.text();
  return { ok: response.ok, answer: text === "" ? {} : JSON.parse(text) };
}

function showProblem(text) {
  byId("problem").textContent = text;
  show("problem", text !== "");
}

async function showWhoIsHere() {
  const me = await ask("GET", "/api/v1/ai/me");
  show("signedOut", !me.ok);
  show("signedIn", me.ok);
  if (!me.ok) return byId("email").focus();
  byId("name").textContent = me.answer.name;
  const roles = me.answer.memberships.flatMap((one) => one.roles.map((role) => `${role} (${one.tenant})`));
  byId("roles").textContent = roles.join(", ");
}

async function signIn(event) {
  event.preventDefault();
  const button = byId("form").querySelector("button");
  button.disabled = true;
  showProblem("");
  try {
    const body = { email: byId("email").value, password: byId("password").value, as: "cookie" };
    const session = await ask("POST", "/api/v1/ai/session", body);
    byId("password").value = "";
    if (session.ok) await showWhoIsHere();
    else showProblem(session.answer.detail);
  } catch {
    showProblem("The server does not answer. Try again.");
  } finally {
    button.disabled = false;
  }
}

byId("form").addEventListener("submit", signIn);
byId("signOut").addEventListener("click", async () => {
  await ask("DELETE", "/api/v1/ai/session");
  await showWhoIsHere();
});
showWhoIsHere();
