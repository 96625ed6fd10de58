// The page works without this: the form filters, and every line to copy can be
// selected. The script filters while one types and copies with a click.
"use strict";

const form = document.getElementById("filter");
const said = document.getElementById("said");

function say(text) {
  said.textContent = "";
  // A change of text is announced even where it is the same text again.
  setTimeout(() => { said.textContent = text; }, 30);
}

// Buttons that need a script are shown by the script.
function enable() {
  for (const b of document.querySelectorAll("button.copy")) b.hidden = false;
}

// On plain HTTP a browser has no clipboard to give; selecting does it.
async function copy(text) {
  if (window.isSecureContext && navigator.clipboard) {
    try { await navigator.clipboard.writeText(text); return true; } catch { /* not allowed: the other way */ }
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.setAttribute("readonly", "");
  area.className = "sr";
  const before = document.activeElement;
  document.body.append(area);
  area.select();
  let ok = false;
  try { ok = document.execCommand("copy"); } catch { ok = false; }
  area.remove();
  if (before) before.focus({ preventScroll: true });
  return ok;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  const label = button.dataset.label || (button.dataset.label = button.textContent);
  const what = button.getAttribute("aria-label").replace(/^Copy /, "");
  if (await copy(button.dataset.copy ?? button.previousElementSibling.textContent)) {
    button.textContent = "copied";
    button.classList.add("done");
    say("Copied " + what);
  } else {
    button.textContent = "select it";
    say("The browser does not let copy " + what + "; open the line below it and select it");
  }
  clearTimeout(button.timer);
  button.timer = setTimeout(() => { button.textContent = label; button.classList.remove("done"); }, 1600);
});

// The server filters; this asks it for the page and puts its results in place.
let asked = 0;
async function show(url, push) {
  const mine = ++asked;
  let page;
  try {
    const answer = await fetch(url, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(answer.status);
    page = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    location.href = url; // the browser tells what is wrong better than we do
    return;
  }
  if (mine !== asked) return; // a later question has overtaken it
  for (const selector of ["#status", "#releases", "#matrix", "#results", ".ways", "title"]) {
    const now = document.querySelector(selector), then = page.querySelector(selector);
    if (now && then) now.replaceWith(then);
  }
  enable();
  if (push) history.replaceState(null, "", url);
  say(document.getElementById("total").textContent.trim());
}

// The evidence of an entry is fetched when it is opened: the list has it as a link.
document.addEventListener("toggle", async (event) => {
  const link = event.target.open && event.target.querySelector("a.evidence-of");
  const item = link && link.closest(".item");
  if (!item) return;
  let panel;
  try {
    const answer = await fetch(link.href);
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    panel = page.getElementById(item.id).querySelector(".panel");
  } catch { return; } // the link is still there
  link.closest(".panel").replaceWith(panel);
  enable();
}, true);

function address() {
  const query = new URLSearchParams();
  for (const [key, value] of new FormData(form)) {
    if (value && (value !== "all" || key === "version")) query.append(key, value);
  }
  return "/?" + query;
}

let timer;
form.addEventListener("input", (event) => {
  clearTimeout(timer);
  timer = setTimeout(() => show(address(), true), event.target.type === "search" ? 150 : 0);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(timer);
  show(address(), true);
});

// A slash goes to the field, as on many pages; not while something is typed.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  event.preventDefault();
  document.getElementById("q").focus();
});

// Until the verification is done, look again.
(function wait() {
  if (document.getElementById("status").dataset.status !== "pending") return;
  setTimeout(async () => {
    await show(location.pathname + location.search, false);
    wait();
  }, 1500);
})();

enable();
