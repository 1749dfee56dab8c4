// Lists of what is wrong, which are read out when they change.

const most = 12; // lines that are shown

export function line(...parts) {
  const li = document.createElement("li");
  li.append(...parts);
  return li;
}

// showLines shows the list with these lines, and hides its section without any. What
// has not changed is not read out again.
export function showLines(list, lines) {
  const shown = lines.slice(0, most);
  if (lines.length > most) shown.push(line(`and ${lines.length - most} more`));
  const text = (all) => all.map((l) => l.textContent).join("\n");
  if (text(shown) !== text([...list.children])) list.replaceChildren(...shown);
  list.parentElement.hidden = shown.length === 0;
}
