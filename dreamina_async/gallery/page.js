"use strict";
// No text of a job ever becomes markup: it goes in by textContent and by attributes only.
(() => {
  const CHINESE = {
    skip: "跳到结果", search: "搜索", hint: "搜索提示词、种子、ID", state: "状态", kind: "类型",
    model: "模型", order: "排序", newest: "最新在前", oldest: "最早在前", all: "全部",
    done: "已完成", failed: "失败", pending: "进行中", unknown: "状态不明", abandoned: "已放弃",
    image: "图片", video: "视频", keys: "方向键移动，Enter 打开，Esc 关闭，/ 搜索。",
    written: "由 dreamina-async 生成于", previous: "上一个", following: "下一个", close: "关闭",
    copy: "复制提示词", copied: "已复制", nothing: "没有符合条件的任务。", noPrompt: "（提示词未知）",
    gone: "文件已不在文件夹中", jobs: "任务：{n}", files: "文件：{n}", found: "任务：{n}",
    credits: "约 {n}", price: "预计积分", missing: "缺少 {n} 个结果", place: "{n} / {of}",
    open: "第 {n} 个，共 {of} 个：", negative: "反向提示词", ratio: "比例", resolution: "分辨率",
    duration: "时长", seed: "种子", strength: "强度", created: "创建", submitted: "提交",
    finished: "生成完成", saved: "保存", took: "用时", pixels: "像素", size: "大小", file: "文件",
    submit: "提交 ID", history: "历史 ID", digest: "SHA-256", seconds: "{n} 秒", any: "全部模型", both: "不限类型",
  };
  const ENGLISH = {
    hint: "Search prompts, seeds, ids", all: "All", done: "Done", failed: "Failed",
    pending: "Pending", unknown: "Unknown", abandoned: "Abandoned", image: "Images",
    video: "Videos", previous: "Previous", following: "Next", close: "Close",
    copy: "Copy the prompt", copied: "Copied", nothing: "No job fits.",
    noPrompt: "(prompt not known)", gone: "The file is no longer there", jobs: "Jobs: {n}",
    files: "Files: {n}", found: "Found: {n}", credits: "about {n}", price: "expected credits",
    missing: "{n} missing", place: "{n} of {of}", open: "{n} of {of}: ", model: "model",
    negative: "negative prompt", ratio: "ratio", resolution: "resolution", duration: "duration",
    seed: "seed", strength: "strength", created: "created", submitted: "submitted",
    finished: "finished", saved: "saved", took: "took", pixels: "pixels", size: "size",
    file: "file", submit: "submit id", history: "history id", digest: "SHA-256",
    seconds: "{n} s", any: "all models", both: "Any kind",
  };
  const STATES = ["done", "failed", "pending", "unknown", "abandoned"];
  const AT_ONCE = 60;

  const chinese = /^zh\b/i.test(navigator.language || "");
  const language = chinese ? "zh-CN" : "en";
  const words = chinese ? CHINESE : ENGLISH;
  const say = (key, n, of) => words[key].replace("{n}", n).replace("{of}", of);
  const by = (id) => document.getElementById(id);
  const jobs = JSON.parse(by("jobs").textContent);
  jobs.forEach((job) => {
    job.text = [job.prompt, job.negative, job.model, job.seed, job.id, job.history, job.reason]
      .filter((one) => one !== undefined).join("\n").toLocaleLowerCase();
  });

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    element.append(...children);
    return element;
  };

  // ---- words and numbers -------------------------------------------------------------

  const tongue = (text) =>
    /[\u3040-\u30ff]/.test(text) ? "ja" : /[\uac00-\ud7af]/.test(text) ? "ko"
      : /[\u4e00-\u9fff]/.test(text) ? "zh" : "";
  const speak = (element, text) => {
    element.dir = "auto";
    element.lang = text ? tongue(text) : language;
    element.textContent = text || words.noPrompt;
    return element;
  };
  const when = (text, style = { dateStyle: "medium", timeStyle: "short" }) =>
    make("time", { datetime: text }, new Date(text).toLocaleString(language, style));
  const span = (from, to) => {
    const seconds = Math.round((new Date(to) - new Date(from)) / 1000);
    return seconds < 100 ? say("seconds", seconds) : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  };
  const length = (ms) => {
    const seconds = Math.round(ms / 1000);
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  };
  const bytes = (n) => (n < 1e6 ? `${(n / 1e3).toFixed(1)} kB` : `${(n / 1e6).toFixed(1)} MB`);

  // ---- cards -------------------------------------------------------------------------

  // Whoever scrolls past quickly does not wait for pictures that nobody looks at.
  const near = new IntersectionObserver((seen) => {
    seen.forEach(({ target, isIntersecting }) => {
      clearTimeout(target.timer);
      if (isIntersecting) target.timer = setTimeout(() => load(target), 120);
    });
  }, { rootMargin: "600px" });

  const load = (element) => {
    near.unobserve(element);
    element.src = element.dataset.src;
  };

  const picture = (job, file) => {
    const later = { "data-src": file.kind === "image" ? file.src : `${file.src}#t=0.1` };
    if (file.kind === "image") {
      const image = make("img", { ...later, alt: job.prompt || words.noPrompt, loading: "lazy", decoding: "async" });
      near.observe(image);
      return [image];
    }
    const video = make("video", { ...later, preload: "metadata", tabindex: "-1", "aria-hidden": "true", playsinline: "" });
    video.muted = true;
    near.observe(video);
    return [video, make("span", { class: "length" }, file.ms ? length(file.ms) : words.video)];
  };

  const note = (job, why) => make("span", { class: `blank ${job.state}` },
    make("strong", {}, words[job.state]), speak(make("span"), why || words.gone));

  const thumb = (job, index) => {
    const file = job.files[index];
    const title = (file ? say("open", index + 1, job.files.length) : `${words[job.state]}: `)
      + (job.prompt || words.noPrompt) + (file ? "" : `. ${job.reason || ""}`);
    const inside = file && file.there ? picture(job, file) : [note(job, file ? "" : job.reason || "…")];
    const button = make("button", { class: "thumb", type: "button", "aria-label": title }, ...inside);
    button.addEventListener("click", () => show(job, index));
    return button;
  };

  const meta = (job) => {
    const line = make("p", { class: "meta" });
    if (job.model) line.append(make("span", {}, job.model));
    if (job.seed !== undefined) line.append(make("span", {}, `${words.seed} ${job.seed}`));
    line.append(when(job.created, { dateStyle: "medium", timeStyle: "short" }));
    if (job.state !== "done" && job.files.length) line.append(make("span", { class: "badge" }, words[job.state]));
    if (job.missing) line.append(make("span", { class: "badge" }, say("missing", job.missing)));
    return line;
  };

  const card = (job) => {
    const shown = Math.max(1, job.files.length);
    const grid = shown > 6 ? 8 : shown > 4 ? 6 : shown;
    const media = make("div", { class: `media n${grid}` });
    job.thumbs = Array.from({ length: shown }, (_, index) => thumb(job, index));
    media.append(...job.thumbs);
    const prompt = speak(make("p", { class: "prompt" }), job.prompt);
    return make("li", { class: "card" }, media, make("div", { class: "words" }, prompt, meta(job)));
  };

  // ---- the list ----------------------------------------------------------------------

  const results = by("results");
  let list = jobs;
  let drawn = 0;

  const below = new IntersectionObserver((seen) => {
    if (drawn < list.length && seen.some((one) => one.isIntersecting)) draw(drawn + AT_ONCE);
  }, { rootMargin: "1500px" });

  const draw = (upto) => {
    const end = Math.min(list.length, upto);
    const part = document.createDocumentFragment();
    for (; drawn < end; drawn += 1) part.append((list[drawn].card ??= card(list[drawn])));
    results.append(part);
    // observed anew, or nobody would say that the end is still near
    below.unobserve(by("more"));
    below.observe(by("more"));
  };

  const chosen = (name) => document.querySelector(`input[name=${name}]:checked`).value;

  const choose = () => {
    const wanted = by("search").value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    const [state, kind, model] = [chosen("state"), chosen("kind"), by("model").value];
    list = jobs.filter((job) => (!state || job.state === state) && (!kind || job.kind === kind)
      && (!model || job.model === model) && wanted.every((word) => job.text.includes(word)));
    if (by("order").value === "new") list.reverse();
    if (drawn) scrollTo(0, 0);
    drawn = 0;
    results.replaceChildren();
    draw(AT_ONCE);
    by("found").textContent = list.length ? say("found", list.length) : words.nothing;
  };

  const chips = (name, values, label, test) => {
    [["", jobs.length], ...values.map((value) => [value, jobs.filter((job) => test(job, value)).length])]
      .filter(([, count]) => count).forEach(([value, count]) => {
        const input = make("input", { type: "radio", name, value });
        input.checked = !value;
        const text = make("span", {}, label(value), " ", make("b", {}, String(count)));
        by(`${name}s`).append(make("label", {}, input, text));
      });
    if (!jobs.length) by(`${name}s`).append(make("input", { type: "radio", name, value: "", checked: "" }));
    by(`${name}s`).hidden = by(`${name}s`).querySelectorAll("input").length < 3;
  };

  const fillModels = () => {
    const names = [...new Set(jobs.map((job) => job.model).filter(Boolean))].sort();
    by("model").append(make("option", { value: "" }, words.any));
    by("model").append(...names.map((name) => make("option", { value: name }, name)));
    by("models").hidden = names.length < 2;
  };

  // ---- one result --------------------------------------------------------------------

  const viewer = by("viewer");
  let open = { job: null, index: 0 };

  const fact = (name, value, style = "") => {
    if (value === undefined || value === "") return [];
    return [make("dt", {}, words[name] || name), make("dd", { class: style }, make("bdi", {}, value))];
  };

  const facts = (job, file) => [
    ...fact("model", job.model),
    ...fact("seed", job.seed === undefined ? undefined : String(job.seed)),
    ...fact("negative", job.negative),
    ...fact("ratio", job.ratio),
    ...fact("resolution", job.resolution),
    ...fact("strength", job.strength === undefined ? undefined : String(job.strength)),
    ...fact("duration", file && file.ms ? length(file.ms) : undefined),
    ...fact("pixels", file && file.width ? `${file.width} × ${file.height} (${file.format})` : undefined),
    ...fact("size", file ? bytes(file.size) : undefined),
    ...fact("price", job.price ? say("credits", job.price) : undefined),
    ...fact("created", when(job.created)),
    ...fact("submitted", job.submitted && when(job.submitted)),
    ...fact("finished", job.finished && when(job.finished)),
    ...fact("took", job.submitted && job.finished ? span(job.submitted, job.finished) : undefined),
    ...fact("saved", job.saved && when(job.saved)),
    ...fact("file", file && make("a", { href: file.src, target: "_blank", rel: "noreferrer" }, file.name)),
    ...fact("submit", job.id, "code"),
    ...fact("history", job.history, "code"),
    ...fact("digest", file && file.sha256, "code"),
  ];

  const stage = (job, file) => {
    if (!file || !file.there) return note(job, file ? "" : job.reason);
    if (file.kind === "image") {
      const image = make("img", { alt: job.prompt || words.noPrompt });
      image.src = file.src;
      return image;
    }
    const video = make("video", { controls: "", preload: "metadata", playsinline: "", loop: "", "aria-label": job.prompt || words.noPrompt });
    video.src = file.src;
    return video;
  };

  const show = (job, index) => {
    open = { job, index };
    const file = job.files[index];
    by("stage").replaceChildren(stage(job, file));
    speak(by("prompt"), job.prompt);
    by("facts").replaceChildren(...facts(job, file));
    by("reason").hidden = !job.reason || !file; // without a file it stands on the stage
    speak(by("reason"), job.reason || "");
    by("copy").hidden = !job.prompt || !navigator.clipboard;
    by("copy").textContent = words.copy;
    const ends = [places(0), places(list.length - 1, true)];
    by("back").disabled = same(ends[0], open);
    by("next").disabled = same(ends[1], open);
    by("place").textContent = say("place", list.indexOf(job) + 1, list.length);
    if (!viewer.open) viewer.showModal();
  };

  const places = (at, last = false) => list[at] && { job: list[at], index: last ? Math.max(0, list[at].files.length - 1) : 0 };
  const same = (one, other) => one && one.job === other.job && one.index === other.index;

  const step = (by) => {
    const at = list.indexOf(open.job);
    const index = open.index + by;
    const inside = index >= 0 && index < open.job.files.length;
    const to = inside ? { job: open.job, index } : places(at + by, by < 0);
    if (to) show(to.job, to.index);
  };

  viewer.addEventListener("close", () => {
    by("stage").replaceChildren(); // a video stops
    draw(list.indexOf(open.job) + 1);
    open.job.thumbs[open.index].focus();
  });
  viewer.addEventListener("click", (event) => {
    if (event.target === viewer) viewer.close(); // beside it
  });
  by("back").addEventListener("click", () => step(-1));
  by("next").addEventListener("click", () => step(1));
  by("close").addEventListener("click", () => viewer.close());
  by("copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText(open.job.prompt);
    by("copy").textContent = words.copied;
  });

  // ---- keys --------------------------------------------------------------------------

  const columns = () => getComputedStyle(results).gridTemplateColumns.split(" ").length;

  const neighbour = (at, index, key) => {
    const last = list.length - 1;
    const moves = {
      ArrowLeft: () => (index ? [at, index - 1] : [at - 1, Infinity]),
      ArrowRight: () => (index < list[at].thumbs.length - 1 ? [at, index + 1] : [at + 1, 0]),
      ArrowUp: () => [at - columns(), index],
      ArrowDown: () => [at + columns(), index],
      Home: () => [0, 0],
      End: () => [last, 0],
    };
    return moves[key] && moves[key]();
  };

  const move = (key) => {
    const at = list.findIndex((job) => job.card && job.card.contains(document.activeElement));
    const index = at < 0 ? 0 : list[at].thumbs.indexOf(document.activeElement);
    const to = at < 0 ? [0, 0] : neighbour(at, Math.max(0, index), key);
    if (!to || !list[to[0]]) return false;
    draw(to[0] + 1);
    const { thumbs } = list[to[0]];
    thumbs[Math.min(to[1], thumbs.length - 1)].focus();
    return true;
  };

  const typing = (target) => target.closest("input, select, textarea");

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (viewer.open) {
      if (event.target.tagName === "VIDEO") return; // there they wind
      if (event.key === "ArrowLeft") step(-1);
      else if (event.key === "ArrowRight") step(1);
      return;
    }
    if (event.target === by("search") && event.key === "Escape") {
      by("search").value = "";
      choose();
    } else if (event.target === by("search") && event.key === "ArrowDown") {
      if (move("Home")) event.preventDefault();
    } else if (typing(event.target)) {
      return;
    } else if (event.key === "/") {
      event.preventDefault();
      by("search").select();
      by("search").focus();
    } else if (/^(Arrow|Home|End)/.test(event.key) && results.contains(event.target)) {
      if (move(event.key)) event.preventDefault();
    }
  });

  // ---- at the start ------------------------------------------------------------------

  document.documentElement.lang = language;
  document.querySelectorAll("[data-t]").forEach((one) => {
    if (chinese) one.textContent = words[one.dataset.t];
  });
  document.querySelectorAll("[data-t-label]").forEach((one) => {
    one.setAttribute("aria-label", words[one.dataset.tLabel]);
  });
  by("search").placeholder = words.hint;
  by("written").textContent = when(by("written").dateTime).textContent;
  const files = jobs.reduce((sum, job) => sum + job.files.length, 0);
  by("totals").textContent = `${say("jobs", jobs.length)} · ${say("files", files)}`;
  chips("state", STATES, (state) => words[state || "all"], (job, state) => job.state === state);
  chips("kind", ["image", "video"], (kind) => words[kind || "both"], (job, kind) => job.kind === kind);
  fillModels();
  by("filters").addEventListener("input", choose);
  by("filters").addEventListener("submit", (event) => event.preventDefault());
  choose();
})();
