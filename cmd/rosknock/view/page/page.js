function start() {
  const byId = (id) => document.getElementById(id);
  const [all, form, query, mark, sort, changes, count] = ['all', 'filter', 'q', 'mark', 'sort', 'changes', 'count'].map(byId);
  const buttons = [...form.querySelectorAll('[aria-pressed]')];
  const routers = [...all.children].map((element, place) => ({
    element, place,
    name: element.querySelector('h3').textContent,
    outcome: element.dataset.outcome,
    steps: element.dataset.steps !== '0',
    search: element.dataset.search.toLowerCase(),
    marks: element.dataset.marks.split('\n'),
  }));
  const compare = new Intl.Collator('en', {numeric: true}).compare;
  const orders = {
    '': (a, b) => a.place - b.place,
    name: (a, b) => compare(a.name, b.name) || a.place - b.place,
    inventory: (a, b) => compare(a.element.id, b.element.id),
  };
  let order = '', at = '', shown = routers, timer = 0;

  function show() {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const outcomes = new Set(buttons.filter(pressed).map((b) => b.dataset.outcome));
    shown = routers.filter((r) =>
      words.every((w) => r.search.includes(w)) &&
      (!outcomes.size || outcomes.has(r.outcome)) &&
      (!mark.value || r.marks.includes(mark.value)) &&
      (!changes.checked || r.steps));
    const keep = new Set(shown);
    for (const r of routers) r.element.hidden = !keep.has(r);
    if (order !== sort.value) {
      order = sort.value;
      all.append(...[...routers].sort(orders[order]).map((r) => r.element));
    }
    count.textContent = `${shown.length} of ${routers.length} routers shown`;
  }

  // The hash is the state, so that a link leads to what its sender saw.
  function write() {
    const state = new URLSearchParams();
    if (query.value) state.set('q', query.value);
    for (const b of buttons.filter(pressed)) state.append('outcome', b.dataset.outcome);
    if (mark.value) state.set('mark', mark.value);
    if (sort.value) state.set('sort', sort.value);
    if (changes.checked) state.set('changes', '1');
    if (at) state.set('at', at);
    remember(state);
  }

  function read() {
    const hash = location.hash.slice(1);
    if (/^c\d+$/.test(hash)) return show(); // a link to what routers share
    const state = new URLSearchParams(hash);
    const outcomes = state.getAll('outcome');
    query.value = state.get('q') || '';
    for (const b of buttons) press(b, outcomes.includes(b.dataset.outcome));
    choose(mark, state.get('mark'));
    choose(sort, state.get('sort'));
    changes.checked = state.has('changes');
    at = state.get('at') || (/^r\d+$/.test(hash) ? hash : '');
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
    query.value = mark.value = sort.value = '';
    changes.checked = false;
    for (const b of buttons) press(b, false);
    changed();
  }

  // A router that is asked for by its link is shown whatever the filter says.
  function go(id) {
    const router = routers.find((r) => r.element.id === id);
    if (!router) return;
    if (router.element.hidden) reset();
    at = id;
    router.element.open = true;
    router.element.scrollIntoView();
    router.element.querySelector('summary').focus({preventScroll: true});
  }

  function follow(id) {
    go(id);
    write();
  }

  function fold(open) {
    for (const r of shown) r.element.open = open;
  }

  for (const r of routers) r.element.open = routers.length === 1;
  listen(form, 'a[href^="#r"]:not([href="#routers"])', {changed, reset, fold, follow, read});
  unfoldInPrint(() => shown.map((r) => r.element));
  read();
}
