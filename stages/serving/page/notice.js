// What the page says: to screen readers, in a line that fades, and in questions that wait for an answer.

const FADES_MS = 5000;
let timer = 0;

/** Say a sentence. isSeen: on the screen too, for a few seconds. */
export function say(sentence, isSeen = false) {
  document.getElementById("status").textContent = sentence;
  if (!isSeen) return;
  const toast = document.getElementById("toast");
  toast.textContent = sentence;
  toast.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => (toast.hidden = true), FADES_MS);
}

/** Value of the button that was pressed, "" for Escape. choices: [value, text], the last one stands out. */
export function question(title, text, choices) {
  const dialog = document.getElementById("question");
  dialog.querySelector("h2").textContent = title;
  dialog.querySelector("p").textContent = text;
  const buttons = choices.map(([value, label], n) => {
    const button = element("button", { type: "button", textContent: label, value });
    button.dataset.choice = value;
    button.className = n === choices.length - 1 ? "first" : "";
    button.addEventListener("click", () => dialog.close(value));
    return button;
  });
  dialog.querySelector(".choices").replaceChildren(...buttons);
  dialog.returnValue = "";
  dialog.showModal();
  buttons.at(-1).focus();
  return new Promise((done) => {
    dialog.addEventListener("close", () => done(dialog.returnValue), { once: true });
  });
}

/** A token typed by the user. */
export function askToken() {
  const dialog = document.getElementById("locked");
  const input = document.getElementById("token");
  if (!dialog.open) dialog.showModal();
  input.value = "";
  input.focus();
  return new Promise((done) => {
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.querySelector("form").onsubmit = (event) => {
      event.preventDefault();
      dialog.close();
      done(input.value.trim());
    };
  });
}

/** A new element with properties set. */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
