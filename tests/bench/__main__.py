import tempfile, sys, json
from pathlib import Path
from tests.bench.bench import Bench
from tests.bench import scenarios, sizes
from tests.bench.warehouse import private_server
from tests.bench.figures import Figures

def main():
    names=sys.argv[1].split(","); sz=sys.argv[2].split(","); rep=int(sys.argv[3])
    S = sizes.SHORT if sz==["short"] else sizes.FULL._replace(sync=tuple(sizes.SYNC[n] for n in sz))
    with private_server() as server, tempfile.TemporaryDirectory(prefix="talkdesk-etl-bench-") as folder:
        b = Bench(server, Path(folder), lambda x: print(x, flush=True))
        b.prepare()
        print(server.version)
        for n in names:
          for _ in range(rep):
            scenarios.SCENARIOS[n].round(b, S, [])
        print(b.wrong)
        F=Figures(b.measured)
        for n in names:
          for s in F.sizes(n):
            for m in F.rows(n,s):
               f=lambda x,d=2: "-" if x is None else f"{x:.{d}f}"
               print(f"{n:8} {s:8} {m.what:36} {m.seconds:8.3f}s {m.records/m.seconds:9.0f}r/s cpu {f(m.cpu_seconds)} pg {f(m.server_cpu_seconds)} rss {f(m.peak_megabytes,0)} wal {f(m.wal_bytes and m.wal_bytes/1e6,3)}MB {m.asked}")
        for m in b.measured[-8:]:
            if m.said: print(m.what, json.dumps(m.said.get("traffic")), m.said.get("accounts"))
if __name__ == "__main__":
    main()
