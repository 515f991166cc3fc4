/*
 * Adds the time where the reader is to each <time> of the page that is written in another zone.
 *
 * <script src="local_time.js" defer data-words="{time} where you are"></script>
 */
"use strict";

(() => {
  const words = document.currentScript.dataset.words || "{time}";
  const mark = "courant-local";

  /** Minutes east of UTC that an ISO time names; null where it names none. */
  function offsetOf(iso) {
    const found = /([+-])(\d\d):(\d\d)$/.exec(iso);
    return found ? Number(found[1] + "1") * (Number(found[2]) * 60 + Number(found[3])) : null;
  }

  function addLocalTimes(root) {
    const format = new Intl.DateTimeFormat(document.documentElement.lang || undefined, {
      dateStyle: "medium",
      timeStyle: "short",
    });
    for (const element of root.querySelectorAll("time[datetime]")) {
      const moment = new Date(element.dateTime);
      const there = offsetOf(element.dateTime);
      if (there === null || Number.isNaN(moment.getTime()) || there === -moment.getTimezoneOffset()) continue;
      if (element.nextElementSibling?.classList.contains(mark)) continue;
      const local = document.createElement("span");
      local.className = mark;
      local.textContent = ` (${words.replace("{time}", format.format(moment))})`;
      element.after(local);
    }
  }

  addLocalTimes(document);
  document.addEventListener("courant:changed", (event) => addLocalTimes(event.target));
})();
