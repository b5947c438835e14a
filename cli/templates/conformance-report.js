const form = document.getElementById('filter');
const rows = [...document.querySelectorAll('#cases > tbody > tr')];
const shown = document.getElementById('shown');
let texts = null;
const apply = () => {
  const verdicts = new Set([...form.querySelectorAll('[name=verdict]:checked')].map(box => box.value));
  const area = form.elements.area.value;
  const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(word => word);
  if (words.length && !texts) texts = rows.map(row => row.textContent.toLowerCase());
  let count = 0;
  rows.forEach((row, at) => {
    const fits = verdicts.has(row.dataset.verdict) && (!area || row.dataset.area === area)
      && words.every(word => texts[at].includes(word));
    row.hidden = !fits;
    if (fits) count += 1;
  });
  shown.textContent = `${count} of ${rows.length} shown`;
};
const reveal = () => {
  const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const details = row && row.querySelector('details');
  if (!details) return;
  row.hidden = false;
  details.open = true;
  row.scrollIntoView();
};
const open = state => rows.forEach(row => {
  if (!row.hidden) row.querySelector('details').open = state;
});
form.hidden = false;
form.addEventListener('input', apply);
form.addEventListener('submit', event => event.preventDefault());
form.addEventListener('reset', () => setTimeout(apply));
document.getElementById('open').addEventListener('click', () => open(true));
document.getElementById('close').addEventListener('click', () => open(false));
addEventListener('hashchange', reveal);
apply();
reveal();
