/* Makes the pages quicker to use; every page works without it. */
(() => {
  "use strict";

  const text = document.body.dataset;

  /* ---- announce changes to screen readers. The server sends HX-Trigger: {"announce": "…"}. */
  const announce = (words) => {
    const live = document.getElementById("live");
    live.textContent = "";
    setTimeout(() => {
      live.textContent = words;
    }, 50);
  };
  document.addEventListener("announce", (event) => announce(event.detail.value));

  const notice = (words, tone) => {
    const box = document.createElement("div");
    const line = document.createElement("p");
    box.className = "notice";
    box.dataset.tone = tone;
    line.textContent = words;
    box.append(line);
    return box;
  };
  const warn = (words) => {
    const box = document.getElementById("messages");
    if (!box) return announce(words);
    box.replaceChildren(notice(words, "bad"));
    box.scrollIntoView({ block: "nearest" });
  };

  /* ---- mark a pressed button as busy, and ignore further presses */
  const busy = (form, submitter) => {
    form.dataset.sent = "yes";
    (submitter || form.querySelector("button:not([type=button])"))?.setAttribute("aria-busy", "true");
  };
  const idle = (form) => {
    delete form.dataset.sent;
    form.querySelectorAll("[aria-busy]").forEach((button) => button.removeAttribute("aria-busy"));
    if (form.id) {
      document.querySelectorAll(`button[form="${CSS.escape(form.id)}"][aria-busy]`).forEach((button) => button.removeAttribute("aria-busy"));
    }
  };
  document.addEventListener(
    "submit",
    (event) => {
      const form = event.target;
      if (form.method !== "post") return;
      if (form.dataset.sent) {
        event.preventDefault();
        event.stopImmediatePropagation();
      } else if (!form.hasAttribute("data-download")) {
        busy(form, event.submitter);
      }
    },
    true,
  );
  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.detail.elt.closest("form");
    if (form) idle(form);
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) document.querySelectorAll("form[data-sent]").forEach(idle);
  });

  /* ---- focus the error summary */
  const focusErrors = (root) => root.querySelector("[data-error-summary]")?.focus();

  /* ---- update relative times while the page is open, by the server's clock */
  const language = document.documentElement.lang || "en";
  const words = new Intl.RelativeTimeFormat(language);
  const justNow = new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(0, "second");
  const units = [
    ["year", 31536000],
    ["month", 2592000],
    ["week", 604800],
    ["day", 86400],
    ["hour", 3600],
    ["minute", 60],
  ];
  let ahead; // milliseconds by which this machine's clock is ahead of the server's
  const tellTimes = (root) => {
    const now = Date.now();
    root.querySelectorAll("time[data-relative]").forEach((time) => {
      const then = Date.parse(time.dateTime);
      if (Number.isNaN(then)) return;
      if (time.dataset.relative) ahead ??= now - then - time.dataset.relative * 1000;
      const seconds = (now - (ahead || 0) - then) / 1000;
      const [unit, size] = units.find(([, length]) => seconds >= length) || [];
      time.textContent = unit ? words.format(-Math.trunc(seconds / size), unit) : justNow;
    });
  };
  setInterval(() => document.hidden || tellTimes(document), 30000);

  /* ---- clicks: copy a code, step a quantity, close menus */
  const copy = async (button) => {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText((source.value || source.textContent).trim());
    } catch {
      // Not allowed, or the page came without TLS: it is selected, ready to be copied by hand.
      if (source.select) source.select();
      else getSelection().selectAllChildren(source);
      return;
    }
    announce(text.copied);
    const label = button.querySelector("[data-copy-label]");
    if (!label) return;
    const before = label.textContent;
    label.textContent = text.copied;
    setTimeout(() => {
      label.textContent = before;
    }, 2000);
  };
  const step = (button) => {
    const input = button.parentElement.querySelector("input");
    const before = input.value;
    if (button.dataset.step > 0) input.stepUp();
    else input.stepDown();
    if (input.value !== before) input.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const closeMenus = (except) => {
    document.querySelectorAll("details[data-menu][open]").forEach((menu) => {
      if (!menu.contains(except)) menu.open = false;
    });
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.copy) copy(button);
    if (button?.dataset.step) step(button);
    if (event.target.closest("[data-close]")) event.target.closest("details").open = false;
    if (event.target.closest("[data-print]")) window.print();
    closeMenus(event.target);
  });
  /* ---- a close look at a picture; without this the link opens its file */
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-zoom]");
    const dialog = document.getElementById("zoom");
    if (!link || !dialog || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const picture = new Image();
    picture.src = link.href;
    picture.alt = link.querySelector("img").alt;
    dialog.querySelector("img")?.remove();
    dialog.append(picture);
    dialog.showModal();
  });
  document.addEventListener("focusin", (event) => closeMenus(event.target));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = document.activeElement.closest("details[data-menu][open], details.confirm[open]");
    if (!open) return;
    open.open = false;
    open.querySelector("summary").focus();
  });

  /* ---- submit the form of <select data-submit> on change; its button is for browsers without JavaScript */
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });

  /* ---- pieces that rows of people get, counted while they are typed */
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-people]");
    if (!form) return;
    let shared = 0;
    form.querySelectorAll("[data-person]").forEach((person) => {
      const typed = [...person.querySelectorAll("input, textarea")].some((field) =>
        field.type === "checkbox" ? field.checked : field.value.trim(),
      );
      if (typed) shared += Number(person.querySelector("[name$='-quantity']").value) || 1;
    });
    form.querySelector("[data-shared]").textContent = shared;
    form.querySelector("[data-left]").textContent = Math.max(0, form.elements.total.value - shared);
  });

  /* ---- what somebody enters survives a swap: all that was entered since the request was sent and, where the page renews
     itself, what was entered before. An open form to confirm stays as it is, unless what it says has changed. */
  const ticked = (field) => field.matches("[type=checkbox], [type=radio]");
  const entered = (field) => (ticked(field) ? field.checked : field.value);
  const shown = (field) => {
    if (ticked(field)) return field.defaultChecked;
    if (!field.options) return field.defaultValue;
    return ([...field.options].find((option) => option.defaultSelected) || field.options[0])?.value;
  };
  const fields = (root) => root.querySelectorAll(":is(input:not([type=hidden], [type=file]), select, textarea)[id]");
  const before = new WeakMap(); // for each request: what stood in each field when it was sent
  let request; // the one whose answer is swapped in
  let kept = new Map(); // by id of the field: what was entered, what the server knows, and the caret
  let untold = []; // fields with news
  document.addEventListener("htmx:beforeSend", ({ detail }) => {
    before.set(detail.xhr, new Map([...fields(document)].map((field) => [field, entered(field)])));
  });
  const keep = (target) => {
    const { elt, triggeringEvent, formData, verb } = request.requestConfig;
    const form = elt.closest("form");
    fields(target).forEach((field) => {
      // A person who asks for other fields wants them, so what they had entered gives way.
      const asked = triggeringEvent?.isTrusted || (field.form === form && formData.has(field.name));
      const value = entered(field);
      const known = (asked ? before.get(request.xhr)?.get(field) : undefined) ?? shown(field);
      // In a search even a space at the end stays, which the answer does not show.
      const written = verb === "get" && field === document.activeElement && value !== shown(field);
      if (value === known && !written) return;
      const caret = [field.selectionStart, field.selectionEnd];
      kept.set(field.id, { value, known, written, caret, focused: field === document.activeElement });
    });
  };
  const writeOn = () => {
    kept.forEach(({ value, known, written, caret, focused }, id) => {
      const field = document.getElementById(id);
      if (!field || entered(field) === value) return;
      if (!written && entered(field) && entered(field) !== known) return; // the answer filled it in
      if (field.options && ![...field.options].some((option) => option.value === value)) return;
      if (ticked(field)) field.checked = value;
      else field.value = value;
      field.closest("details:not([open])")?.setAttribute("open", "");
      if (focused) field.focus({ preventScroll: true });
      if (field === document.activeElement && caret[0] !== null) field.setSelectionRange?.(...caret);
      if (value !== known) untold.push(field);
    });
  };
  const tell = () => {
    const told = (field) => field.dispatchEvent(new Event("change", { bubbles: true }));
    untold.splice(0).forEach((field) => {
      field.dispatchEvent(new Event("input", { bubbles: true }));
      if (field !== document.activeElement || ticked(field) || field.options) told(field);
      else field.addEventListener("blur", () => told(field), { once: true });
    });
  };
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    request = detail;
    kept = new Map();
    keep(detail.target);
  });
  const said = (form) => form.querySelector("[name=shown]")?.value;
  document.addEventListener("htmx:oobBeforeSwap", ({ detail }) => {
    keep(detail.target);
    detail.target.querySelectorAll("details.confirm[open][id]").forEach((form) => {
      const now = detail.fragment.querySelector(`#${CSS.escape(form.id)}`);
      if (!now) return warn(text.changed);
      if (said(now) === said(form)) return now.setAttribute("hx-preserve", "true");
      now.open = true;
      now.querySelector(".confirm__body").prepend(notice(text.changed, "warn"));
      announce(text.changed);
    });
  });
  ["htmx:afterSwap", "htmx:oobAfterSwap"].forEach((name) => document.addEventListener(name, writeOn));
  document.addEventListener("htmx:afterSwap", ({ target }) => {
    // Whoever types in a field by now stays there.
    if (document.activeElement === document.body) return;
    target.querySelectorAll("[autofocus]").forEach((field) => field.removeAttribute("autofocus"));
  });

  /* ---- when a swap removes the focused element: where the page renews itself, focus what takes its place; else, or when nothing
     does, the heading of the new content. An element with an id is found by htmx. */
  const looks = ({ localName, href, name, value, textContent }) =>
    [localName, href || [name, value, textContent.replace(/\s+/g, " ").trim()]].join();
  const alike = (look) => [...document.querySelectorAll("a[href], button, summary")].filter((each) => looks(each) === look);
  let left, look, place;
  ["htmx:beforeSwap", "htmx:oobBeforeSwap"].forEach((name) => {
    document.addEventListener(name, ({ detail }) => {
      const focused = document.activeElement;
      if (!detail.target.contains(focused)) return;
      left = detail.target;
      look = request.requestConfig.triggeringEvent?.isTrusted ? undefined : looks(focused);
      place = alike(look).indexOf(focused);
    });
  });
  const land = () => {
    if (left && document.activeElement === document.body) {
      const now = left.isConnected ? left : document.getElementById(left.id);
      (alike(look)[place] || now?.querySelector("[data-landing]"))?.focus({ preventScroll: true });
    }
    left = undefined;
  };

  /* ---- after htmx */
  document.addEventListener("htmx:afterSettle", (event) => {
    tellTimes(event.target);
    tell();
    land();
    focusErrors(event.target);
    const said = event.target.dataset?.announce || event.target.querySelector?.("[data-announce]")?.dataset.announce;
    if (said) announce(said);
  });
  document.addEventListener("htmx:sendError", () => warn(text.offline));
  document.addEventListener("htmx:timeout", () => warn(text.offline));
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status === 401 || event.detail.xhr.status === 403) location.reload();
    else warn(event.detail.xhr.status >= 500 ? text.offline : text.refused);
  });

  tellTimes(document);
  focusErrors(document);
})();
