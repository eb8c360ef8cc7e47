/** The one screen that `--help` prints; a test holds it to the options that exist. */
export const HELP = `Usage: mcurl fetch [options] URL-or-LIST...
       mcurl status JOURNAL-or-DIR [--json]    what is done, failed, open
Downloads URLs, and lists of them (one a line, # comments, also gzip), all at
once. An argument with a scheme is a URL, anything else a list file, - is stdin.

Job:
  -i, --input-file FILE   a list           -j, --jobs N         at once [64]
  -d, --output-dir DIR    where to [.]     --max-per-host N     at once [16]
  -o, --output FILE       for one URL      --loops N            threads [cores]
  --overwrite             fetch again      --if-modified        what changed
  --dry-run               only tell        --max-filesize B     refuse larger
What is there is skipped: the same command, run again, continues.
  --journal FILE | --no-journal [.mcurl-journal]    --durable   sync each file
  --resume-by WHAT        validator, size  --failed-out FILE    a list of them
  --only-failed           what is not done yet; without a list, the journal's
  -J, --remote-header-name  server's name  -R, --remote-time    server's date
  --checksum TYPE=HEX     for one URL      --keep-bad           as NAME.bad
  --manifest FILE         SHA256SUMS       --xattr              URL, type
Request, as in curl:
  -H, --header LINE|@FILE   -A, --user-agent NAME   -e, --referer URL
  -u, --user NAME:PASS      -b, --cookie N=V|FILE   -x, --proxy URL
  -E, --cert FILE  --key FILE  --cacert FILE  -k, --insecure  -n, --netrc
  --resolve HOST:PORT:ADDR  --connect-to H:P:H:P    --interface NAME
  -4, --ipv4  -6, --ipv6  --http1.1  --http2  --http3  --compressed
  --location-trusted        --proto =https|+ftp|-http  --no-private (addresses)
Times (seconds, or 10m, 1h) and retries:
  --connect-timeout S     to connect [30]  -m, --max-time S     for a URL [none]
  -y, --speed-time S      a stall [60]     -Y, --speed-limit B  is below B/s [1]
  --retry N               more tries [5]   --retry-on LIST      in which cases:
                          codes, 5xx, connect, timeout, truncated, dns
Output:
  --json                  JSON lines on stdout, one an outcome (rest: stderr)
  --no-progress-meter     no progress      -s, --silent         say nothing
  --log-file FILE         where to log     --log-level LEVEL    trace ... fatal
  -v, --verbose           show the talk    -S, --show-error     -s but failures
  -h, --help              this             -V, --version        also libcurl's
Accepted, as mcurl does so anyway: -L -O -f -Z -# -C - --remote-name-all
  --create-dirs --fail-with-body

Exit codes (the lowest that occurred wins):
  0  every file is whole          5  TLS              130  Ctrl-C
  1  a defect of mcurl            6  authentication   143  SIGTERM
  2  usage, or a bad list line    7  protocol         129  SIGHUP
  3  local files                  8  an error answer of the server
  4  network                      9  integrity

Examples:
  mcurl fetch urls.txt -d files
  mcurl fetch https://example.com/a.iso -o b.iso
  zcat urls.gz | mcurl fetch - --json > outcomes.ndjson
`;
