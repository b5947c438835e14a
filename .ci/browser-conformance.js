
// What the browser shows of a conformance report, line by line: counts, what the filter leaves, and one
// case, opened by hand.
const lines = [];
const rowsOf = () => [...document.querySelectorAll('#cases > tbody > tr')];
const seen = () => rowsOf().filter(row => row.getBoundingClientRect().height > 5).length;
const filter = document.getElementById('filter');
const told = () => filter.dispatchEvent(new Event('input'));
lines.push(`rows ${rowsOf().length}`);
lines.push(`shown ${seen()}`);
const badge = document.getElementById('verdict');
lines.push(`verdict ${badge.textContent}`);
lines.push(`verdict colour ${getComputedStyle(badge).backgroundColor}`);
for (const verdict of ['pass', 'fail', 'inconclusive', 'not-applicable', 'waived', 'blocked']) {
  lines.push(`count-${verdict} ${document.getElementById(`count-${verdict}`).textContent}`);
  for (const box of filter.querySelectorAll('[name=verdict]')) box.checked = box.value === verdict;
  told();
  lines.push(`only ${verdict} ${seen()}`);
}
for (const box of filter.querySelectorAll('[name=verdict]')) box.checked = true;
filter.elements.area.selectedIndex = 1;
told();
lines.push(`area ${filter.elements.area.value} ${seen()}`);
filter.elements.area.value = '';
filter.elements.text.value = 'APDU-CLASS-001[A0]';
told();
lines.push(`text apdu-class-001[a0] ${seen()}`);
filter.elements.text.value = '';
told();
lines.push(`all again ${seen()}`);
const row = document.getElementById('APDU-CLASS-001[A0]');
for (const open of document.querySelectorAll('details[open]')) open.open = false;
row.querySelector('summary').click();
const trace = row.querySelector('.trace');
lines.push(`trace ${trace.getBoundingClientRect().height > 20}`);
for (const asked of trace.querySelectorAll('tr.c'))
  lines.push(`sent ${[...asked.cells].slice(2).map(cell => cell.textContent.trim()).join('')}`);
for (const status of trace.querySelectorAll('i')) lines.push(`status ${status.textContent.trim()}`);
lines.push(`reason ${row.querySelector('.reason')?.textContent}`);
const unnamed = [...filter.querySelectorAll('input, select')].filter(it => !it.labels.length);
lines.push(`unnamed controls ${unnamed.length}`);
lines.push(`loaded ${performance.getEntriesByType('resource').length}`);
lines.push(`overflow ${document.documentElement.scrollWidth > innerWidth}`);
document.body.innerHTML = '';
const out = document.createElement('pre');
out.textContent = `\n${lines.join('\n')}\n`;
document.body.append(out);
