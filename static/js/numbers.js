// The numbers of a batch: a scanner's Enter goes on to the next field, and a list that is pasted into
// a field fills it and those after it. Without this script the list goes into the box below.
{
  const fields = [...document.querySelectorAll("[data-numbers] [data-number]")];

  const begin = (tries) => {
    fields[0]?.focus(); // the theme shows the page a moment after it has loaded
    if (document.activeElement !== fields[0] && tries) requestAnimationFrame(() => begin(tries - 1));
  };
  begin(300);

  for (const [place, field] of fields.entries()) {
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      (fields[place + 1] ?? document.querySelector("[data-numbers] button")).focus();
    });
    field.addEventListener("paste", (event) => {
      const lines = event.clipboardData.getData("text").trim().split(/\r?\n/);
      if (lines.length < 2) return;
      event.preventDefault();
      lines.forEach((line, number) => {
        if (fields[place + number]) fields[place + number].value = line.trim();
      });
      fields[Math.min(place + lines.length, fields.length) - 1].focus();
    });
  }
}
