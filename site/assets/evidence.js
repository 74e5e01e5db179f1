// The page of all claims: lists to choose rows by. Without this script they stay hidden, and the page is whole.
(() => {
  "use strict";
  document.addEventListener("DOMContentLoaded", () => {
    const form = document.querySelector(".evidence-filter");
    if (!form) return;
    const tables = [...document.querySelectorAll(".evidence-table")];
    const rows = tables.flatMap((table) => [...table.tBodies[0].rows]);

    const show = () => {
      const chosen = [...new FormData(form)].filter(([, value]) => value);
      for (const row of rows)
        row.hidden = !chosen.every(([name, value]) => row.dataset[name].split(" ").includes(value));
      for (const table of tables)
        table.closest("section").hidden = [...table.tBodies[0].rows].every((row) => row.hidden);
      form.querySelector("output").textContent = `${rows.filter((row) => !row.hidden).length} / ${rows.length}`;
    };

    form.hidden = false;
    form.addEventListener("change", show);
    show();
  });
})();
