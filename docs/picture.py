"""Draws what a terminal showed as an SVG: `psi-field demo 2>&1 | python3 docs/picture.py 'psi-field demo' > docs/demo.svg`.

Plain text in, one `text` element a line out; no fonts or scripts from elsewhere.
"""

import html
import sys

LINE, CHAR, PAD = 18, 8.0, 16

command = sys.argv[1]
lines = [f"$ {command}"] + sys.stdin.read().rstrip().splitlines()
width = PAD * 2 + CHAR * max(map(len, lines))
height = PAD * 2 + LINE * len(lines)
print(
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}" '
    f'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="13">'
)
print(f"<title>Output of {html.escape(command)}</title>")
print('<rect width="100%" height="100%" rx="8" fill="#16181d"/>')
for number, line in enumerate(lines):
    strong = line.startswith(("$", "Act", "Replication", "Node", "Agreement", "All"))
    colour = "#ffffff" if strong else "#b9c0cc"
    y = PAD + LINE * (number + 0.75)
    # Each line is stretched to its number of characters, so that columns stand below each other in any font.
    span = f'textLength="{CHAR * len(line):.0f}" lengthAdjust="spacingAndGlyphs"' if line.strip() else ""
    print(f'<text x="{PAD}" y="{y}" fill="{colour}" xml:space="preserve" {span}>{html.escape(line)}</text>')
print("</svg>")
