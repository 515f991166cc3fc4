// What a program can see of a page's accessibility: sentences about what is wrong, none where nothing is.
() => {
  const problems = [];
  const shown = element => element.checkVisibility({checkVisibilityCSS: true});
  const all = selector => [...document.querySelectorAll(selector)].filter(shown);
  const words = element => (element.getAttribute('aria-label') || element.innerText || element.value
      || element.title || [...element.querySelectorAll('img, [title]')].map(child => child.alt || child.title).join(' ')).trim();
  const tag = element => element.cloneNode(false).outerHTML.slice(0, 160);

  for (const control of all('input:not([type=hidden], [type=submit], [type=button]), select, textarea')) {
    const named = (control.getAttribute('aria-labelledby') || '').split(/\s+/).some(id => document.getElementById(id));
    const labelled = [...control.labels].some(words);
    if (!labelled && !named && !control.getAttribute('aria-label')) problems.push(`no label: ${tag(control)}`);
  }
  // Django's button for light and dark is empty as long as its script has not run.
  for (const control of all('button:not(.theme-toggle), a[href], input[type=submit], input[type=button], summary')) {
    if (!words(control)) problems.push(`no words: ${tag(control)}`);
  }

  const headings = all('h1, h2, h3, h4, h5, h6');
  const titles = headings.filter(heading => heading.tagName === 'H1');
  if (titles.length !== 1) problems.push(`${titles.length} h1`);
  let level = 1;
  const main = document.querySelector('main, #content-main, #main') || document.body;
  for (const heading of headings.filter(heading => main.contains(heading))) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) problems.push(`h${level} is followed by h${next}: ${heading.innerText}`);
    level = next;
  }

  const ids = [...document.querySelectorAll('[id]')].map(element => element.id);
  const twice = new Set(ids.filter((id, index) => ids.indexOf(id) !== index));
  for (const id of twice) problems.push(`two elements with the id ${id}`);
  for (const label of all('label[for]')) {
    if (!document.getElementById(label.htmlFor)) problems.push(`a label for nothing: ${tag(label)}`);
  }
  for (const image of all('img:not([alt])')) problems.push(`no alt: ${tag(image)}`);
  for (const frame of all('iframe:not([title])')) problems.push(`no title: ${tag(frame)}`);
  for (const picture of all('svg:not([aria-hidden=true])')) {
    const named = picture.getAttribute('aria-label') || picture.getAttribute('aria-labelledby')
        || picture.querySelector('title') || picture.closest('[aria-hidden=true], a, button, label');
    if (!named) problems.push(`no name: ${tag(picture)}`);
  }
  // Django's lists of rows give their <th> no scope.
  for (const cell of all('th:not([scope])').filter(cell => !cell.closest('#result_list tbody'))) problems.push(`no scope: ${tag(cell)} ${cell.innerText}`);
  for (const live of all('[aria-live], [role=status]')) {
    if (live.innerText.length > 300) problems.push(`too long to be read aloud again and again: ${tag(live)}`);
  }
  if (!document.documentElement.lang) problems.push('no language');
  if (!document.title.trim()) problems.push('no title');
  const wide = document.documentElement.scrollWidth - window.innerWidth;
  if (wide > 0) problems.push(`${wide} px wider than the window`);
  return problems;
}
