"""`helm test`: every address serves metrics in Prometheus' format."""

import sys
import urllib.request

for url in sys.argv[1:]:
    with urllib.request.urlopen(url, timeout=10) as response:
        text = response.read().decode()
    series = [line for line in text.splitlines() if line and not line.startswith("#")]
    print(f"{url}: {len(series)} series")
    assert series, f"{url}: no series"
