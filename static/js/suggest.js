/* Suggestions under the search field: a combobox with a list, by the pattern of the ARIA guide. Without
   this file the field is a search field. */
(() => {
  "use strict";

  const field = document.querySelector("input[data-suggest]");
  const list = field && document.getElementById("suggestions");
  if (!list) return;

  const options = () => [...list.querySelectorAll("[role=option]")];
  let chosen = -1;
  let asked; // the request under way
  let timer;

  field.setAttribute("role", "combobox");
  field.setAttribute("aria-autocomplete", "list");
  field.setAttribute("aria-controls", list.id);
  field.setAttribute("aria-expanded", "false");

  const choose = (place) => {
    const all = options();
    chosen = all.length ? (place + all.length + 1) % (all.length + 1) : 0;
    if (chosen === all.length) chosen = -1; // back in the field
    all.forEach((option, number) => option.setAttribute("aria-selected", String(number === chosen)));
    if (chosen < 0) field.removeAttribute("aria-activedescendant");
    else {
      field.setAttribute("aria-activedescendant", all[chosen].id);
      all[chosen].scrollIntoView({ block: "nearest" });
    }
  };
  const show = (there) => {
    list.hidden = !there;
    field.setAttribute("aria-expanded", String(there));
    chosen = -1;
    field.removeAttribute("aria-activedescendant");
  };
  const close = () => {
    clearTimeout(timer);
    asked?.abort();
    show(false);
  };

  const ask = async () => {
    const typed = field.value.trim();
    asked?.abort();
    if (!typed) return show(false);
    asked = new AbortController();
    try {
      const answer = await fetch(`${field.dataset.suggest}?q=${encodeURIComponent(typed)}`, { signal: asked.signal });
      if (!answer.ok || answer.redirected) return show(false);
      list.innerHTML = await answer.text();
      show(options().length > 0 && document.activeElement === field);
    } catch {
      show(false); // it was overtaken, or the portal did not answer: the search itself says so
    }
  };

  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, 80);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      close();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (list.hidden) return;
      event.preventDefault();
      if (event.key === "ArrowDown") choose(chosen + 1);
      else choose(chosen < 0 ? options().length - 1 : chosen - 1);
    } else if (event.key === "Enter") {
      const option = list.hidden ? undefined : options()[chosen];
      close();
      if (!option) return;
      event.preventDefault();
      location.assign(option.dataset.href);
    }
  });
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) location.assign(option.dataset.href);
  });
  field.addEventListener("blur", close);
})();
