// asynqmon tells nobody but the browser's console why a click had no effect, or
// that Redis is away. This says it on the page, and asks before a push is stopped for good.
(() => {
  "use strict";
  let box, timer;

  function say(text) {
    if (!box) {
      box = document.createElement("div");
      box.setAttribute("role", "alert");
      box.style.cssText =
        "position:fixed;left:50%;bottom:24px;transform:translateX(-50%);z-index:2000;max-width:36em;padding:12px 16px;" +
        "border-radius:4px;background:#b71c1c;color:#fff;font:14px/1.4 Roboto,Helvetica,Arial,sans-serif;box-shadow:0 2px 8px #0006";
      document.body.append(box);
    }
    box.textContent = text;
    box.hidden = false;
    clearTimeout(timer);
    timer = setTimeout(() => (box.hidden = true), 8000);
  }

  // reason is the sentence of a problem, or how many tasks of a batch failed.
  function reason(xhr) {
    let body = {};
    try {
      body = JSON.parse(xhr.responseText) ?? {};
    } catch {}
    if (xhr.status >= 400) return body.detail || `The server answered ${xhr.status}.`;
    const failed = (body.error_ids ?? []).length;
    return failed > 0 ? `It failed for ${failed} of the tasks. The log of the API says why.` : "";
  }

  const open = XMLHttpRequest.prototype.open;
  XMLHttpRequest.prototype.open = function (method, ...rest) {
    const changes = !/^(get|head)$/i.test(method);
    if (changes && box) box.hidden = true; // it spoke of the click before
    this.addEventListener("load", () => {
      const text = changes || this.status === 503 ? reason(this) : "";
      if (text) say(text);
    });
    if (changes) this.addEventListener("error", () => say("The server cannot be reached."));
    this.stops = changes && /\/active_tasks/.test(rest[0]);
    return open.call(this, method, ...rest);
  };

  const send = XMLHttpRequest.prototype.send;
  XMLHttpRequest.prototype.send = function (...body) {
    if (this.stops && !confirm("Stop this push for good? It cannot be started again from here.")) {
      this.abort();
      this.dispatchEvent(new Event("abort")); // one that was never sent tells nobody
      return;
    }
    return send.apply(this, body);
  };
})();
