// Search as you type, and buttons that copy. Without this file the form works the same, one page at a time.
"use strict";

// Browsers lend the clipboard to pages over https and on this machine only; elsewhere there are no buttons.
(() => {
  if (!navigator.clipboard) return;
  const heard = document.createElement("p");
  heard.className = "unseen";
  heard.setAttribute("role", "status");
  document.body.append(heard);
  for (const lines of document.querySelectorAll("pre[aria-label]")) {
    const button = document.createElement("button");
    const label = lines.getAttribute("aria-label");
    button.type = "button";
    button.className = "quiet copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy: ${label}`);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(lines.textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Not allowed";
      }
      heard.textContent = `${button.textContent}: ${label}`;
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    lines.before(button);
  }
})();

(() => {
  const form = document.getElementById("search");
  if (!form) return;
  const QUIET_MS = 120;
  let timer = 0;
  let asking = null;

  const address = () => {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) {
      if (value && !(name === "sort" && value === "relevance")) query.append(name, value);
    }
    const text = query.toString();
    return text ? `/?${text}` : "/";
  };

  // Replaces results and facets; the field with the focus keeps it.
  const show = (page) => {
    const focused = document.activeElement;
    const again = focused && focused.name && focused.id !== "q" ? [focused.name, focused.value] : null;
    const folded = new Map([...form.querySelectorAll("details[data-facet]")].map((d) => [d.dataset.facet, d.open]));
    for (const id of ["facets", "results"]) {
      const fresh = page.getElementById(id);
      if (fresh) document.getElementById(id).replaceChildren(...fresh.childNodes);
    }
    for (const details of form.querySelectorAll("details[data-facet]")) {
      if (folded.has(details.dataset.facet)) details.open = folded.get(details.dataset.facet);
    }
    if (again) {
      const same = [...form.elements].find((e) => e.name === again[0] && (e.value === again[1] || e.id === "sort"));
      if (same) same.focus({ preventScroll: true });
    }
    document.title = page.title;
    // Screen readers hear a place that was there before; the heading itself is replaced.
    say(document.getElementById("found").textContent);
  };

  const say = (text) => { document.getElementById("heard").textContent = text; };

  const update = async () => {
    const url = address();
    if (asking) asking.abort();
    asking = new AbortController();
    try {
      const answer = await fetch(url, { headers: { Accept: "text/html" }, signal: asking.signal });
      if (!answer.ok) {
        const failed = `The search failed (${answer.status}); what follows is of the search before. Press Search to try again.`;
        document.getElementById("found").textContent = failed;
        say(failed);
        return;
      }
      show(new DOMParser().parseFromString(await answer.text(), "text/html"));
      history.replaceState(null, "", url);
    } catch (error) {
      if (error.name !== "AbortError") form.submit();
    }
  };

  form.addEventListener("input", (event) => {
    clearTimeout(timer);
    timer = setTimeout(update, event.target.id === "q" ? QUIET_MS : 0);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    update();
  });
  document.documentElement.classList.add("typing");
})();
