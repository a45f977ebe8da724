// Scans go to the server one after the other while the field is free for the next one at once.
// Without this script the Add button loads the page again.
const bench = document.querySelector("form[data-scan]");
const waiting = [];
let busy = false;
let then = null; // the button that was pressed while scans were on their way

class SignedOut extends Error {}

const say = (words, wrong) => {
  const said = document.getElementById("said");
  said.textContent = words;
  said.classList.toggle("bench__said--wrong", wrong);
};

const send = async ([sku, pieces]) => {
  const data = new FormData(bench);
  data.delete("file");
  data.set("scan", sku);
  data.set("pieces", pieces);
  data.set("do", "add");
  const answer = await fetch(bench.action, {
    method: "POST",
    body: data,
    headers: { "HX-Request": "true" },
  });
  if ([401, 403].includes(answer.status)) throw new SignedOut();
  const text = await answer.text();
  const list = new DOMParser().parseFromString(text, "text/html").getElementById("list");
  if (!list) throw new Error(answer.statusText);
  document.getElementById("list").replaceWith(list);
  say(list.dataset.said, "wrong" in list.dataset);
};

const work = async () => {
  if (busy) return;
  busy = true;
  while (waiting.length) {
    try {
      await send(waiting[0]);
      waiting.shift();
    } catch (error) {
      say(error instanceof SignedOut ? bench.dataset.out : bench.dataset.lost, true);
      bench.elements.scan.value = waiting.shift()[0];
      waiting.length = 0;
      then = null;
    }
  }
  busy = false;
  if (then) bench.requestSubmit(then);
};

bench.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (button && button.value !== "add") {
    if (!busy) return;
    event.preventDefault();
    then = button;
    return;
  }
  event.preventDefault();
  const { scan, pieces } = bench.elements;
  if (scan.value.trim()) waiting.push([scan.value, pieces.value]);
  scan.value = pieces.value = "";
  scan.focus();
  work();
});

// The theme shows the page a moment after it has loaded; what is hidden cannot have the focus.
const begin = (tries) => {
  bench.elements.scan.focus();
  if (document.activeElement !== bench.elements.scan && tries) requestAnimationFrame(() => begin(tries - 1));
};
begin(300);
