"""Rows of a pump, as CSV: `pump.py ROWS` of a healthy one, `pump.py ROWS worn` of one that delivers a little less."""

import random
import sys

rows, worn = int(sys.argv[1]), len(sys.argv) > 2
random.seed(1 + worn)
print("pressure,flow,temperature,current")
for _ in range(rows):
    load = random.gauss(0, 1)
    pressure = 4 + 0.2 * load + random.gauss(0, 0.05)
    flow = (115 if worn else 120) + 6 * load + random.gauss(0, 2)
    print(f"{pressure:.3f},{flow:.2f},{random.gauss(71, 0.8):.2f},{9 + 0.5 * load + random.gauss(0, 0.2):.3f}")
