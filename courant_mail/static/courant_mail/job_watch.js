/*
 * Keeps the page of a job up to date while it is looked at.
 *
 * The page is complete without this script. The site says how soon to ask again, and sends the parts of the page
 * that it has made anew; each takes the place of what the element of its name holds.
 */
"use strict";

(() => {
  const LONGEST_WAIT = 60;
  const SECONDS_BETWEEN_LINES = 10;

  const live = document.getElementById("courant-live");
  const line = document.getElementById("courant-line");
  if (!live) return;

  const shown = new Map();
  let seconds = Number(live.dataset.seconds);
  let failures = 0;
  let timer = null;
  let asking = false;
  let lastLine = { text: "", at: Date.now() };

  /** What a part says, without the one-time token of its forms, which is another each time. */
  function meaning(html) {
    return html.replace(/(name="csrfmiddlewaretoken" value=")[^"]*/g, "$1");
  }

  /** Whether somebody writes in the part, or has marked some of its words. */
  function isInUse(element) {
    const focused = document.activeElement;
    const selection = document.getSelection();
    const marked = selection && !selection.isCollapsed && element.contains(selection.anchorNode);
    return marked || (element.contains(focused) && focused.matches("input:not([type=submit]), textarea, select"));
  }

  function focusables(element) {
    return [...element.querySelectorAll("a[href], button, summary, input")];
  }

  /** Something that names the focused element in the part as it was and as it will be. */
  function nameOf(element) {
    return element.id || element.getAttribute("href") || `${element.tagName} ${element.textContent.trim()}`;
  }

  /** Put what the site has sent in the place of a part. False when it has to wait, because somebody is using that. */
  function put(id, html) {
    const element = document.getElementById(id);
    if (!element || shown.get(id) === meaning(html)) return true;
    if (isInUse(element)) return false;
    const first = !shown.has(id);
    shown.set(id, meaning(html));
    const fresh = new DOMParser().parseFromString(html, "text/html").body;
    if (first && meaning(fresh.innerHTML) === meaning(element.innerHTML)) return true;
    const open = [...element.querySelectorAll("details")].map((details) => details.open);
    const focused = element.contains(document.activeElement) ? nameOf(document.activeElement) : null;
    const scrolled = [...element.querySelectorAll(".courant-scroll")].map((box) => box.scrollLeft);
    element.replaceChildren(...fresh.childNodes);
    element.querySelectorAll("details").forEach((details, index) => {
      details.open = open[index] ?? details.open;
    });
    element.querySelectorAll(".courant-scroll").forEach((box, index) => {
      box.scrollLeft = scrolled[index] ?? 0;
    });
    if (focused !== null) {
      focusables(element).find((other) => nameOf(other) === focused)?.focus({ preventScroll: true });
    }
    element.dispatchEvent(new CustomEvent("courant:changed", { bubbles: true }));
    return true;
  }

  function tell(text, atOnce) {
    const now = Date.now();
    if (text === lastLine.text || (!atOnce && now - lastLine.at < SECONDS_BETWEEN_LINES * 1000)) return;
    lastLine = { text, at: now };
    line.textContent = text;
  }

  /** Something about the page itself, seen by everybody; the empty text takes it away. */
  function remark(text) {
    live.textContent = text;
    live.hidden = !text;
    if (text) tell(text, true);
  }

  function stop() {
    seconds = 0;
    remark(live.dataset.over);
  }

  async function ask() {
    const url = new URL(live.dataset.url, window.location.href);
    url.searchParams.set("dry_run", live.dataset.dryRun);
    const answer = await fetch(url, { credentials: "same-origin", redirect: "manual", cache: "no-store" });
    if (answer.type === "opaqueredirect" || [401, 403, 404].includes(answer.status)) return stop();
    if (!answer.ok) throw new Error(String(answer.status));
    const news = await answer.json();
    remark("");
    const postponed = Object.entries(news.html).filter(([id, html]) => !put(id, html));
    tell(news.line, news.status !== live.dataset.status);
    if (postponed.length) {
      // What this page has seen last stays what it was, so that the site sends these parts again.
      seconds = seconds || news.seconds;
      return undefined;
    }
    live.dataset.status = news.status;
    live.dataset.dryRun = news.dry_run;
    seconds = news.seconds;
    return undefined;
  }

  async function turn() {
    if (asking || document.hidden) return;
    asking = true;
    try {
      await ask();
      failures = 0;
    } catch {
      failures += 1;
      if (failures > 2) remark(live.dataset.trouble);
    } finally {
      asking = false;
    }
    wait();
  }

  function wait() {
    window.clearTimeout(timer);
    if (!seconds) return;
    const pause = Math.min(seconds * 2 ** failures, LONGEST_WAIT);
    timer = window.setTimeout(turn, pause * 1000);
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && seconds) turn();
  });
  wait();
})();
