function start() {
  const byId = (id) => document.getElementById(id);
  const [form, router, text, who, what, count] = ['filter', 'router', 'q', 'who', 'what', 'count'].map(byId);
  const buttons = [...form.querySelectorAll('[aria-pressed]')];
  const rows = [...document.querySelectorAll('.row')].map((element) => ({
    element,
    id: element.id,
    search: [element, element.closest('.same')?.querySelector('p'), element.closest('.class')?.querySelector('h3')].map((e) => e?.textContent || '').join(' ').toLowerCase(),
    mark: element.closest('.class')?.dataset.mark || '',
    shown: true,
  }));
  const named = (element) => [...element.querySelectorAll('.names li')].map((li) => ({li, search: li.textContent.toLowerCase()}));
  const kinds = [...document.querySelectorAll('.kind')].map((element) => ({
    element, names: named(element), rows: [...element.querySelectorAll('.links a')].map((a) => a.hash.slice(1)), shown: true,
  }));
  const unread = [...document.querySelectorAll('.unread')].map((element) => ({
    element, names: named(element), search: element.textContent.toLowerCase(),
  }));
  const routers = [...kinds, ...unread].reduce((sum, k) => sum + k.names.length, 0);
  let at = '', timer = 0;

  // A router is looked for by its name; it keeps its rows, and they keep it.
  function show() {
    const names = words(router), texts = words(text);
    const marks = new Set(buttons.filter(pressed).map((b) => b.dataset.mark));
    const on = new Set();
    for (const k of kinds) {
      k.shown = pick(k, names) > 0;
      if (k.shown) for (const id of k.rows) on.add(id);
    }
    const keep = new Map([['e', new Set()], ['f', new Set()], ['n', new Set()]]);
    for (const r of rows) {
      const of = r.id[0];
      r.shown = (!names.length || on.has(r.id)) && texts.every((w) => r.search.includes(w)) &&
        (of !== 'e' || (!who.value || r.element.dataset.who === who.value) && (!what.value || r.element.dataset.what === what.value)) &&
        (of !== 'f' || !marks.size || marks.has(r.mark));
      r.element.hidden = !r.shown;
      if (r.shown) keep.get(of).add(r.id);
    }
    const has = (k, of) => k.rows.some((id) => keep.get(of).has(id));
    for (const k of kinds) {
      k.shown = k.shown && (!who.value && !what.value || has(k, 'e')) && (!marks.size || has(k, 'f')) &&
        (!texts.length || has(k, 'e') || has(k, 'f') || has(k, 'n'));
      k.element.hidden = !k.shown;
    }
    const found = who.value || what.value || marks.size;
    for (const u of unread) u.element.hidden = pick(u, names) === 0 || found || !texts.every((w) => u.search.includes(w));
    for (const c of document.querySelectorAll('.class, .same')) c.hidden = !c.querySelector('.row:not([hidden])');
    for (const s of document.querySelectorAll('.part')) {
      const none = s.querySelector('.none');
      if (none) none.hidden = !s.querySelector('.row, .kind, .unread') || !!s.querySelector('.row:not([hidden]), .kind:not([hidden]), .unread:not([hidden])');
    }
    const left = [...kinds, ...unread].filter((k) => !k.element.hidden).reduce((sum, k) => sum + k.names.filter((n) => !n.li.hidden).length, 0);
    const total = (of) => rows.filter((r) => r.id[0] === of).length;
    count.textContent = `${keep.get('e').size} of ${total('e')} exposures, ${keep.get('f').size} of ${total('f')} findings, ${left} of ${routers} routers shown`;
  }

  // pick hides the names that are not looked for, and says how many are left.
  function pick(of, words) {
    let left = 0;
    for (const n of of.names) {
      const fits = words.every((w) => n.search.includes(w));
      n.li.hidden = !fits;
      if (fits) left++;
    }
    return left;
  }

  // The hash is the state, so that a link leads to what its sender saw.
  function write() {
    const state = new URLSearchParams();
    for (const field of [router, text, who, what]) if (field.value) state.set(field.id, field.value);
    for (const b of buttons.filter(pressed)) state.append('mark', b.dataset.mark);
    if (at) state.set('at', at);
    remember(state);
  }

  function read() {
    const hash = location.hash.slice(1);
    const state = new URLSearchParams(hash);
    const marks = state.getAll('mark');
    router.value = state.get('router') || '';
    text.value = state.get('q') || '';
    choose(who, state.get('who'));
    choose(what, state.get('what'));
    for (const b of buttons) press(b, marks.includes(b.dataset.mark));
    at = state.get('at') || (/^[efkn]\d+$/.test(hash) ? hash : '');
    show();
    if (at) go(at);
  }

  function changed() {
    at = '';
    show();
    clearTimeout(timer);
    timer = setTimeout(write, 200); // browsers refuse a write for every key
  }

  function reset() {
    router.value = text.value = who.value = what.value = '';
    for (const b of buttons) press(b, false);
    changed();
  }

  // What is asked for by its link is shown whatever the filter says.
  function go(id) {
    const element = byId(id);
    if (!element || !element.matches('.row, .kind')) return;
    if (element.closest('[hidden]')) reset();
    at = id;
    if (element.matches('.kind')) element.open = true;
    element.scrollIntoView();
    const target = element.querySelector('summary') || element;
    if (target === element) element.tabIndex = -1;
    target.focus({preventScroll: true});
  }

  function follow(id) {
    go(id);
    write();
  }

  function fold(open) {
    for (const k of kinds) if (k.shown) k.element.open = open;
  }

  for (const k of kinds) k.element.open = kinds.length === 1 && k.names.length <= 50;
  listen(form, 'main a', {changed, reset, fold, follow, read});
  unfoldInPrint(() => kinds.filter((k) => k.shown).map((k) => k.element));
  read();
}

function words(field) {
  return field.value.toLowerCase().split(/\s+/).filter(Boolean);
}
