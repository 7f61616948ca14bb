'use strict';
// What is folded is not laid out while the page is read; without this script nothing is folded.
document.documentElement.classList.add('js');
document.addEventListener('DOMContentLoaded', () => {
  try {
    start();
  } finally {
    document.documentElement.classList.add('ready');
  }
});

function pressed(button) {
  return button.getAttribute('aria-pressed') === 'true';
}

function press(button, on) {
  button.setAttribute('aria-pressed', String(on));
}

// Fields and buttons of the filter, and links to what it may hide.
function listen(form, links, {changed, reset, fold, follow, read}) {
  form.hidden = false;
  form.addEventListener('submit', (e) => e.preventDefault());
  form.addEventListener('input', changed);
  form.addEventListener('click', (e) => {
    const button = e.target.closest('button');
    if (!button) return;
    if (button.id === 'reset') return reset();
    if (button.id) return fold(button.id === 'unfold');
    press(button, !pressed(button));
    changed();
  });
  document.addEventListener('click', (e) => {
    const link = e.target.closest(links);
    if (!link) return;
    e.preventDefault();
    follow(link.hash.slice(1));
  });
  addEventListener('hashchange', read);
}

function choose(select, value) {
  select.value = value || '';
  if (select.selectedIndex < 0) select.value = ''; // a link may name what is not there
}

function remember(state) {
  const hash = '#' + (String(state) || 'all');
  if (hash === location.hash) return;
  try {
    history.replaceState(null, '', hash);
  } catch {
    location.replace(hash); // some browsers rewrite no history of files
  }
}

// For browsers whose style sheets cannot unfold what is printed.
function unfoldInPrint(shown) {
  let folded = [];
  addEventListener('beforeprint', () => {
    folded = shown().filter((e) => !e.open);
    for (const e of folded) e.open = true;
  });
  addEventListener('afterprint', () => {
    for (const e of folded) e.open = false;
  });
}

