"use strict";

const byId = (id) => document.getElementById(id);
const show = (id, visible) => { byId(id).hidden = !visible; };
const token = location.hash.slice(1);

async function send(path, body) {
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(path, options);
  const text = await response.text();
  return { status: response.status, answer: text === "" ? {} : JSON.parse(text) };
}

function showProblem(text) {
  byId("problem").textContent = text;
  show("problem", text !== "");
}

function showLink(isGood) {
  show("good", isGood);
  show("void", !isGood);
}

async function make(event) {
  event.preventDefault();
  if (byId("password").value !== byId("again").value) return showProblem("The two passwords differ.");
  const button = byId("form").querySelector("button");
  button.disabled = true;
  showProblem("");
  try {
    const body = { token, email: byId("email").value, password: byId("password").value };
    if (byId("name").value !== "") body.name = byId("name").value;
    const made = await send("/api/v1/ai/setup", body);
    if (made.status === 201) return location.replace("/sign-in");
    if (made.status === 404) showLink(false);
    showProblem(made.answer.detail);
  } catch {
    showProblem("The server does not answer. Try again.");
  } finally {
    button.disabled = false;
  }
}

async function start() {
  // The link is a secret: it stays out of the history.
  history.replaceState(null, "", "/setup");
  byId("form").addEventListener("submit", make);
  showLink(token !== "" && (await send("/api/v1/ai/setup/check", { token })).status === 204);
}

start();
