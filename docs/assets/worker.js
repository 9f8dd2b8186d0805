// A page that is opened as a file may not start a worker. There the search's worker runs in a frame, on the page's own thread.
(function () {
  if (location.protocol !== "file:" || window.Worker.framed) return;
  class FramedWorker extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.waiting = [];
      this.onmessage = this.onerror = null;
      const begin = () => {
        const inside = this.frame.contentWindow;
        inside.postMessage = (data) => this.deliver(data);
        inside.importScripts = (...urls) => urls.reduce((before, one) => before.then(() => load(inside, one)), Promise.resolve());
        load(inside, url).then(() => {
          const waiting = this.waiting;
          this.waiting = null;
          waiting.forEach((data) => this.pass(data));
        });
      };
      document.body.appendChild(this.frame);
      begin();
    }
    deliver(data) {
      const event = new MessageEvent("message", { data });
      if (this.onmessage) this.onmessage(event);
      this.dispatchEvent(event);
    }
    pass(data) {
      this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }));
    }
    postMessage(data) {
      if (this.waiting) this.waiting.push(data);
      else this.pass(data);
    }
    terminate() {
      this.frame.remove();
    }
  }
  FramedWorker.framed = true;
  window.IFrameWorker = FramedWorker;  // the name by which the worker finds its other scripts
  function load(inside, url) {
    return new Promise((done, failed) => {
      const script = inside.document.createElement("script");
      script.src = new URL(url, location.href).href;
      script.onload = done;
      script.onerror = failed;
      inside.document.body.appendChild(script);
    });
  }
  window.Worker = FramedWorker;
})();
