#!/bin/sh
# Lists the results that are there. httpd runs this for the address `/`.
cd /srv || exit 1
printf 'Content-Type: text/html; charset=utf-8\r\n\r\n'
printf '<!doctype html><html lang="en"><title>isolab: results</title><h1>Results</h1><ul>\n'
found=0
for file in results/load.json results/report.html results/*/report.html results/runs/*/report.html; do
    if [ -e "$file" ]; then
        found=1
        printf '<li><a href="/%s">%s</a></li>\n' "$file" "$file"
    fi
done
[ "$found" = 1 ] || printf '<li>There are no results yet.</li>\n'
printf '</ul></html>\n'
