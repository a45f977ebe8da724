// A button that has been pressed shows it, and cannot be pressed again. The server refuses a
// second press too (admin_base.py); this only spares people the sentence about it.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("form.act")) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  form.querySelector("button[type=submit]")?.setAttribute("aria-disabled", "true");
});

// Back to a page that was left by a form: it may be sent once more.
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form.act[data-sent]")) {
    delete form.dataset.sent;
    form.querySelector("button[type=submit]")?.removeAttribute("aria-disabled");
  }
});

// The theme's page has no main landmark; people who listen to the page jump by it.
document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("main")?.setAttribute("role", "main");
});

// Search-and-choose fields (select2) lose the name of the field that they stand for.
const nameChoosers = () => {
  for (const box of document.querySelectorAll("select.select2-hidden-accessible")) {
    const label = box.labels[0]?.textContent.trim();
    const shown = box.nextElementSibling?.querySelector(".select2-selection");
    for (const part of label && shown ? [shown, ...shown.querySelectorAll("[role=textbox]")] : []) {
      part.removeAttribute("aria-labelledby");
      part.setAttribute("aria-label", label);
    }
  }
};
// An opened one asks for words in a box of its own.
const nameSearch = (event) => {
  const box = document.querySelector(".select2-container--open .select2-search__field");
  const label = event.target.labels?.[0]?.textContent.trim();
  if (box && label) box.setAttribute("aria-label", label);
};
// Asked now, jQuery does it after it has made them.
document.addEventListener("DOMContentLoaded", () => {
  const jquery = window.django?.jQuery;
  jquery?.(nameChoosers);
  jquery?.(document).on("select2:open", nameSearch);
});

// Django names the two filters of a choose-many field by an empty span, which has no role yet.
const nameFilters = () => {
  for (const icon of document.querySelectorAll(".help-tooltip[aria-label]")) {
    icon.setAttribute("role", "img");
  }
};
// Made when the page is loaded; asked then, this comes after it.
window.addEventListener("load", () => setTimeout(nameFilters));
