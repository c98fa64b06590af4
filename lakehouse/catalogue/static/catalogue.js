// Search as you type. Without this file the form works the same, one page at a time.
"use strict";

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
  };

  const update = async () => {
    const url = address();
    if (asking) asking.abort();
    asking = new AbortController();
    try {
      const answer = await fetch(url, { headers: { Accept: "text/html" }, signal: asking.signal });
      if (!answer.ok) return;
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
