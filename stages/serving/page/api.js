// Requests to the server: its token, its sentences when it refuses, and whether it is there at all.

const KEPT = "brainseg-token";
const AGAIN_MS = 2000;

/** Events "away" and "back", when the server stops answering and when it answers again. */
export const server = new EventTarget();

/** What the server refused, as a sentence. status 0: it did not answer. */
export class Refusal extends Error {
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

let isAway = false;
let unlocking = null;
let askToken = async () => "";

/** The token of the address' fragment, which then leaves the address bar. */
export function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token === null) return;
  sessionStorage.setItem(KEPT, token);
  history.replaceState(null, "", location.pathname + location.search);
}

/** ask: a function that returns a token typed by the user, where the server wants another. */
export function onLocked(ask) {
  askToken = ask;
}

export function authority() {
  const token = sessionStorage.getItem(KEPT);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** Ask for a token once, however many requests were refused for want of it. */
export function unlock() {
  unlocking ??= askToken()
    .then((token) => sessionStorage.setItem(KEPT, token))
    .finally(() => (unlocking = null));
  return unlocking;
}

/** The server's answer; a Refusal where it has none or says no. */
export async function ask(path, options = {}) {
  for (;;) {
    let answer;
    const sent = authority();
    try {
      answer = await fetch(path, { ...options, headers: { ...options.headers, ...sent } });
    } catch {
      goneAway();
      throw new Refusal("The server does not answer.", 0);
    }
    if (isAway) isBack();
    if (answer.ok) return answer;
    if (answer.status !== 401) throw new Refusal(await sentence(answer), answer.status);
    // A request that was on its way while the token came needs no second question.
    if (sent.Authorization === authority().Authorization) await unlock();
  }
}

export async function json(path, options) {
  return (await ask(path, options)).json();
}

async function sentence(answer) {
  return sentenceIn(await answer.text(), answer.status);
}

/** The sentence in the body of a refusal. */
export function sentenceIn(body, status) {
  try {
    const { error } = JSON.parse(body);
    if (error) return error;
  } catch {
    // not the server's own answer, but that of something between
  }
  return `The server answered ${status}.`;
}

/** Whether the server answers now. */
export async function isThere() {
  try {
    return (await fetch("healthz", { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

/** Say that the server is away, and look for it until it is back. */
export function goneAway() {
  if (isAway) return;
  isAway = true;
  server.dispatchEvent(new Event("away"));
  const look = async () => {
    if (isAway && (await isThere())) isBack();
    if (isAway) setTimeout(look, AGAIN_MS);
  };
  setTimeout(look, AGAIN_MS);
}

function isBack() {
  isAway = false;
  server.dispatchEvent(new Event("back"));
}

/** Fetch a file and hand it to the browser's downloads, under the name that the server gives it. */
export async function download(path, name) {
  const answer = await ask(path);
  const disposition = answer.headers.get("Content-Disposition") ?? "";
  const encoded = /filename\*=utf-8''([^;]+)/i.exec(disposition)?.[1];
  const plain = /filename="?([^";]+)"?/i.exec(disposition)?.[1];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = encoded ? decodeURIComponent(encoded) : (plain ?? name);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
