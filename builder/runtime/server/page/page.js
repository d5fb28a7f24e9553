"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const base = location.pathname.endsWith("/") ? location.pathname : location.pathname + "/";
  const address = (path) => location.origin + base + path.replace(/^\//, "");
  const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
  const LONG = 60;

  function make(name, properties = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key in element) element[key] = value;
      else element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  }

  // --- the schema: what kind of control each field gets

  function resolve(schema, depth = 0) {
    if (!schema || typeof schema !== "object") return {};
    let found = schema;
    if (typeof schema.$ref === "string" && schema.$ref.startsWith("#/") && depth < 20) {
      const steps = schema.$ref.slice(2).split("/").map((step) => decodeURIComponent(step).replace(/~1/g, "/").replace(/~0/g, "~"));
      const target = steps.reduce((here, step) => (here && typeof here === "object" ? here[step] : undefined), data.schema);
      found = { ...resolve(target, depth + 1), ...schema, $ref: undefined };
    }
    const choices = found.anyOf || found.oneOf;
    if (Array.isArray(choices) && choices.length === 2) {
      const plain = choices.map((choice) => resolve(choice, depth + 1)).filter((choice) => choice.type !== "null");
      if (plain.length === 1) found = { ...plain[0], ...found, anyOf: undefined, oneOf: undefined, nullable: true };
    }
    return found;
  }

  function typeOf(schema, example) {
    const types = (Array.isArray(schema.type) ? schema.type : [schema.type]).filter((type) => type && type !== "null");
    if (schema.const !== undefined) return { kind: "choice", options: [schema.const] };
    if (Array.isArray(schema.enum)) return { kind: "choice", options: schema.enum };
    if (types.length > 1 && types.every((type) => type === "integer" || type === "number")) return { kind: "number" };
    if (types.length > 1) return { kind: "json" };
    let type = types[0];
    if (!type && example !== undefined && example !== null) type = Array.isArray(example) ? "array" : typeof example;
    if (type === "integer" || type === "number") return { kind: "number" };
    if (type === "boolean") return { kind: "choice", options: [true, false] };
    if (type === "string") return { kind: "text" };
    return { kind: "json" };
  }

  function explain(schema, type, required) {
    const words = [];
    const types = (Array.isArray(schema.type) ? schema.type : [schema.type]).filter(Boolean);
    if (type.kind === "number") words.push(types.includes("integer") ? "whole number" : "number");
    else if (type.kind === "text") words.push(schema.format || "text");
    else if (type.kind === "json") words.push(types.length ? types.join(" or ") + ", as JSON" : "JSON");
    const low = schema.minimum ?? schema.exclusiveMinimum;
    const high = schema.maximum ?? schema.exclusiveMaximum;
    if (typeof low === "number" && typeof high === "number" && schema.minimum !== undefined && schema.maximum !== undefined) words.push(`${low} to ${high}`);
    else {
      if (typeof low === "number") words.push((schema.minimum !== undefined ? "at least " : "more than ") + low);
      if (typeof high === "number") words.push((schema.maximum !== undefined ? "at most " : "less than ") + high);
    }
    if (schema.minLength > 1) words.push(`at least ${schema.minLength} characters`);
    if (schema.maxLength) words.push(`at most ${schema.maxLength} characters`);
    if (schema.pattern) words.push("like " + schema.pattern);
    if (!required) words.push("optional");
    return words.join(", ");
  }

  // --- fields: each reads and writes one JSON value as text, so that no digit is lost

  function makeField(name, given, required, example) {
    const schema = resolve(given);
    const type = typeOf(schema, example);
    const nullable = schema.nullable || (Array.isArray(schema.type) && schema.type.includes("null"));
    const id = "field-" + name.replace(/[^\w-]/g, (char) => "_" + char.codePointAt(0).toString(16));
    let control;
    if (type.kind === "choice") {
      control = make("select", { id });
      if (!required) control.append(make("option", { value: "", textContent: "not given" }));
      const options = nullable && !type.options.includes(null) ? [...type.options, null] : type.options;
      for (const option of options) {
        control.append(make("option", { value: JSON.stringify(option), textContent: typeof option === "string" ? option : JSON.stringify(option) }));
      }
    } else if (type.kind === "json") {
      const rows = example === undefined ? 3 : Math.min(16, Math.max(3, JSON.stringify(example, null, 2).split("\n").length));
      control = make("textarea", { id, rows });
    } else if (type.kind === "text" && (schema.maxLength > 200 || (typeof example === "string" && (example.length > LONG || example.includes("\n"))))) {
      control = make("textarea", { id, rows: 4, className: "prose" });
    } else {
      control = make("input", { id, type: "text", className: type.kind, inputMode: type.kind === "number" ? "decimal" : "text" });
    }
    control.spellcheck = false;
    control.autocomplete = "off";
    const fault = make("p", { id: id + "-fault", className: "fault", hidden: true });
    const hint = [explain(schema, type, required), schema.description].filter(Boolean).join(". ");
    const kind = make("span", { id: id + "-kind", className: "kind", textContent: hint });
    control.setAttribute("aria-describedby", `${kind.id} ${fault.id}`);
    if (required) control.required = true;
    const broad = control.tagName === "TEXTAREA" ? " broad" : "";
    const label = make("label", { htmlFor: id, textContent: name, title: schema.title || "" });
    const element = make("div", { className: "field" + broad }, label, kind, make("div", { className: "control" }, control), fault);

    return {
      name, element, control,
      read() {
        const text = control.value;
        if (type.kind === "choice") return text === "" ? undefined : text;
        if (text.trim() === "" && type.kind !== "text") return required ? (nullable ? "null" : '""') : undefined;
        if (type.kind === "text") return text === "" && !required ? undefined : text === "" && nullable ? "null" : JSON.stringify(text);
        if (type.kind === "number") return NUMBER.test(text.trim()) ? text.trim() : JSON.stringify(text.trim());
        try { JSON.parse(text); } catch { throw Object.assign(new Error(`${name} is not JSON.`), { field: name }); }
        return text.trim();
      },
      write(value) {
        if (value === undefined) control.value = type.kind === "choice" && required ? JSON.stringify(type.options[0]) : "";
        else if (type.kind === "choice") control.value = JSON.stringify(value);
        else if (type.kind === "json") control.value = JSON.stringify(value, null, 2);
        else control.value = value === null ? "" : typeof value === "string" ? value : JSON.stringify(value);
      },
      tell(message) {
        fault.textContent = message;
        fault.hidden = !message;
        if (message) control.setAttribute("aria-invalid", "true");
        else control.removeAttribute("aria-invalid");
      },
    };
  }

  // --- the request

  const sample = (() => {
    try {
      let value = JSON.parse(data.sample);
      if (data.perRecord) {
        const keys = value && typeof value === "object" ? Object.keys(value) : [];
        if (keys.length === 1 && ["records", "instances"].includes(keys[0]) && Array.isArray(value[keys[0]])) value = value[keys[0]];
        if (Array.isArray(value)) value = value[0];
      }
      return value;
    } catch { return undefined; }
  })();
  const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
  const root = resolve(data.schema);
  const properties = isObject(root.properties) ? root.properties : {};
  const required = new Set(Array.isArray(root.required) ? root.required : []);
  let names = Object.keys(properties);
  if (!names.length && data.inferable && isObject(sample)) names = Object.keys(sample);
  const fields = names.map((name) => {
    const example = isObject(sample) && Object.hasOwn(sample, name) ? sample[name] : undefined;
    return makeField(name, properties[name], required.has(name), example);
  });
  const pretty = (text) => { try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; } };
  let asText = fields.length === 0;

  function fill(value) {
    for (const field of fields) {
      const schema = resolve(properties[field.name]);
      const otherwise = schema.default ?? (Array.isArray(schema.examples) ? schema.examples[0] : undefined);
      field.write(isObject(value) && Object.hasOwn(value, field.name) ? value[field.name] : value === undefined ? otherwise : undefined);
    }
  }

  function compose() {
    if (asText) return $("body").value;
    const parts = [];
    for (const field of fields) {
      const text = field.read();
      if (text !== undefined) parts.push(`${JSON.stringify(field.name)}: ${text}`);
    }
    return `{${parts.join(", ")}}`;
  }

  const quote = (text) => "'" + text.replace(/'/g, "'\\''") + "'";

  function showCurl() {
    let body;
    try { body = compose(); } catch { return; }
    const url = address(data.path);
    const safe = /^[\w:\/.@~%+-]+$/.test(url) ? url : quote(url);
    $("curl").textContent = `curl -sS ${safe} \\\n  -H ${quote("content-type: " + data.contentType)} \\\n  --data-raw ${quote(body)}`;
  }

  function choose(text) {
    if (text && !asText) {
      try { $("body").value = pretty(compose()); } catch (error) { tell([{ field: error.field, message: error.message }], ""); return; }
    } else if (!text && asText) {
      let value;
      try { value = JSON.parse($("body").value); } catch { value = undefined; }
      if (!isObject(value)) { tell([], "This is not one object, which is all the form can show."); return; }
      fill(value);
    }
    asText = text;
    $("whole").hidden = !text;
    $("fields").hidden = text;
    $("as-text").setAttribute("aria-pressed", String(text));
    $("as-form").setAttribute("aria-pressed", String(!text));
    clear();
    showCurl();
  }

  // --- the answer

  function clear() {
    for (const field of fields) field.tell("");
    $("body").removeAttribute("aria-invalid");
    $("faults").replaceChildren();
  }

  function sayOf(path, name, message) {
    if (!message.startsWith(`"${path}" `)) return message;
    const below = path.slice(name.length).replace(/^\./, "");
    const rest = message.slice(path.length + 3);
    return below ? `${below} ${rest}` : rest.charAt(0).toUpperCase() + rest.slice(1);
  }

  function tell(faults, sentence) {
    clear();
    const others = [];
    let first = null;
    for (const fault of faults) {
      const path = String(fault.field ?? "");
      const owner = fields.filter((field) => path === field.name || path.startsWith(field.name + ".") || path.startsWith(field.name + "["))
        .sort((one, two) => two.name.length - one.name.length)[0];
      if (owner && !asText) { owner.tell(sayOf(path, owner.name, String(fault.message))); first = first || owner.control; } else others.push(fault.message);
    }
    if (faults.length && asText) { $("body").setAttribute("aria-invalid", "true"); first = $("body"); }
    const problem = make("div", { className: "problem" });
    if (others.length > 1) problem.append(make("p", { textContent: "The request was refused:" }), make("ul", {}, ...others.map((message) => make("li", { textContent: message }))));
    else if (others.length || !faults.length) problem.append(make("p", { textContent: others[0] || sentence }));
    else problem.append(make("p", { textContent: faults.length === 1 ? "The request was refused: one field is marked." : `The request was refused: ${faults.length} faults are marked.` }));
    $("faults").append(problem);
    if (first) first.focus();
  }

  function showValue(value, schema) {
    const exact = typeof value === "string" ? value : JSON.stringify(value);
    // the response body below has every digit
    const text = typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(6))) : exact;
    const shown = make("div", { className: "value" + (text.length > 24 ? " long" : ""), textContent: text, title: exact });
    const parts = [shown];
    if (typeof value === "number" && schema.minimum === 0 && schema.maximum === 1) {
      const bar = make("div", { className: "bar" }, make("span", {}));
      bar.setAttribute("aria-hidden", "true");
      bar.firstChild.style.width = `${Math.min(100, Math.max(0, value * 100))}%`;
      parts.push(bar);
    }
    if (schema.description) parts.push(make("p", { className: "meaning", textContent: schema.description }));
    return parts;
  }

  function showPredictions(answer) {
    $("predictions").replaceChildren();
    if (!isObject(answer)) return;
    const lists = Object.keys(answer).filter((key) => Array.isArray(answer[key]));
    if (lists.length !== 1 || answer[lists[0]].length === 0 || answer[lists[0]].length > 20) return;
    const whole = isObject(data.response) ? data.response : {};
    const list = isObject(whole.properties) ? whole.properties[lists[0]] : undefined;
    const schema = isObject(list) && isObject(list.items) ? list.items : whole;
    for (const item of answer[lists[0]]) {
      const box = make("div", { className: "prediction" });
      if (isObject(item)) {
        const terms = make("dl");
        for (const [key, value] of Object.entries(item)) {
          const own = isObject(schema.properties) && isObject(schema.properties[key]) ? schema.properties[key] : {};
          terms.append(make("dt", { textContent: key }), make("dd", {}, ...showValue(value, own)));
        }
        box.append(terms);
      } else box.append(...showValue(item, schema));
      $("predictions").append(box);
    }
  }

  async function score() {
    let body;
    clear();
    try { body = compose(); } catch (error) { tell([{ field: error.field, message: error.message }], ""); return; }
    $("score").disabled = true;
    $("outcome").replaceChildren("scoring …");
    const started = performance.now();
    try {
      const answer = await fetch(address(data.path), { method: "POST", headers: { "content-type": data.contentType }, body, credentials: "same-origin" });
      const text = await answer.text();
      const spent = performance.now() - started;
      const status = make("span", { className: "status" + (answer.ok ? "" : " bad"), textContent: String(answer.status) });
      $("outcome").replaceChildren(status, `${spent < 10 ? spent.toFixed(1) : Math.round(spent)} ms`);
      $("waiting").hidden = true;
      $("response").textContent = pretty(text);
      $("raw").hidden = false;
      let value;
      try { value = JSON.parse(text); } catch { value = undefined; }
      if (answer.ok) { showPredictions(value); if (!$("predictions").children.length) $("raw").open = true; }
      else {
        $("predictions").replaceChildren();
        const sentence = isObject(value) ? value.message || value.error || "" : "";
        tell(isObject(value) && Array.isArray(value.faults) ? value.faults : [], String(sentence) || `The answer is ${answer.status}.`);
      }
    } catch (error) {
      $("outcome").replaceChildren();
      tell([], `The service did not answer: ${error.message}.`);
    }
    $("score").disabled = false;
    if (matchMedia("(max-width: 52rem)").matches && !document.querySelector("[aria-invalid]")) $("answer").scrollIntoView();
    showState();
  }

  async function showState() {
    const words = { ready: ["ready", "good"], loading: ["loading", ""], failed: ["does not load", "bad"], stopping: ["stopping", "bad"] };
    let status = "";
    try { status = (await (await fetch(address("readyz"), { cache: "no-store" })).json()).status; } catch { status = ""; }
    const [word, kind] = words[status] || ["does not answer", "bad"];
    $("state").textContent = word;
    $("state").className = "state " + kind;
    $("state").hidden = false;
    if (status !== "ready") setTimeout(showState, 2000);
  }

  async function copy() {
    const text = $("curl").textContent;
    try { await navigator.clipboard.writeText(text); } catch {
      // outside https there is no clipboard to write to; a selection can still be copied
      getSelection().selectAllChildren($("curl"));
      document.execCommand("copy");
    }
    $("copy").textContent = "Copied";
    setTimeout(() => { $("copy").textContent = "Copy"; }, 1500);
  }

  function reset() {
    fill(sample);
    $("body").value = pretty(data.sample ?? "");
    clear();
    showCurl();
  }

  $("fields").append(...fields.map((field) => field.element));
  if (!fields.length) {
    document.querySelector(".modes").hidden = true;
    $("whole").hidden = false;
    $("fields").hidden = true;
  }
  if (data.sample === null) $("reset").hidden = true;
  for (const link of document.querySelectorAll("a[data-path]")) link.href = address(link.dataset.path);
  for (const code of document.querySelectorAll("code[data-curl]")) code.textContent = code.textContent.replaceAll("http://localhost:8080/", address(""));
  $("workbench").hidden = false;
  reset();
  $("form").addEventListener("input", showCurl);
  $("form").addEventListener("submit", (event) => { event.preventDefault(); score(); });
  $("form").addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); score(); } });
  $("as-form").addEventListener("click", () => choose(false));
  $("as-text").addEventListener("click", () => choose(true));
  $("reset").addEventListener("click", reset);
  $("copy").addEventListener("click", copy);
  showState();
})();
