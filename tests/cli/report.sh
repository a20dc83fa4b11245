#!/bin/sh
# report.sh -- the page for the steering meeting and the numbers for Prometheus, over a planted past of ten maps and 90 nights; the
# page is looked at in headless Chromium: nothing runs over its edge, dark and print have their colours, hostile text stays text.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/plant.sh"
CHROMIUM=$(command -v chromium-headless-shell || command -v chromium || true)
[ -n "$CHROMIUM" ] || { not_ok "Chromium is there (scripts/bootstrap installs it)"; finish; }

# What a copy of the page says about itself: sizes, colours, forbidden elements. The page itself has no script and forbids them.
PROBE='<script>addEventListener("load",function(){var d=document,e=d.documentElement,over=[],all=d.querySelectorAll("main *");
for(var i=0;i<all.length;i++){var x=all[i],r=x.getBoundingClientRect();if(!x.closest(".scroll")&&r.width&&r.right>innerWidth+1)over.push(x.tagName+"."+x.className)}
var small=0;for(var i=0;i<all.length;i++){var t=all[i];if(t.children.length==0&&t.textContent.trim()&&!t.closest("svg")&&parseFloat(getComputedStyle(t).fontSize)<9)small++}
var b=getComputedStyle(d.body),p=d.createElement("pre");p.id="probe";p.textContent=["width="+(e.scrollWidth<=innerWidth?"fits":"over:"+e.scrollWidth+">"+innerWidth),
"over="+over.length+" "+over.slice(0,3),"background="+b.backgroundColor,"ink="+b.color,"scripts="+d.scripts.length,
"foreign="+d.querySelectorAll("img,iframe,object,embed,link,video,form,input,base,[onerror],[onload],[onclick]").length,
"charts="+d.querySelectorAll("svg").length,"days="+d.querySelectorAll(".calendar svg rect").length,"small="+small,
"answer="+d.querySelector("#answer .say").textContent,"maps="+d.querySelectorAll("#maps tbody tr").length,
"height="+(e.scrollHeight>2000?"full":"short:"+e.scrollHeight),"headings="+d.querySelectorAll("h2").length,
"empty="+Array.prototype.filter.call(d.querySelectorAll(".strip"),function(s){return s.getBoundingClientRect().width<100}).length].join("\n");
d.body.appendChild(p)})</script>'
# look FILE WIDTH [chromium option..]: the probe's lines go to $W/probe
look() {
    page=$1 width=$2
    shift 2
    sed 's/<meta http-equiv="Content-Security-Policy"[^>]*>//' "$page" >"$W/copy.html"
    printf '%s' "$PROBE" >>"$W/copy.html"
    timeout 120 "$CHROMIUM" --no-sandbox --disable-gpu --user-data-dir="$W/profile" --window-size="$width,1400" "$@" --dump-dom \
        "file://$W/copy.html" >"$W/dom" 2>"$W/chromium.err"
    sed -n '/<pre id="probe">/,/<\/pre>/p' "$W/dom" | sed 's/.*<pre id="probe">//; s/<\/pre>.*//' >"$W/probe"
}
probe() { sed -n "s/^$1=//p" "$W/probe"; }
# shot FILE PNG WIDTH HEIGHT [option..]
shot() {
    page=$1 png=$2 size=$3,$4
    shift 4
    timeout 120 "$CHROMIUM" --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$W/profile" --window-size="$size" "$@" \
        --screenshot="$png" "file://$page" >"$W/chromium.err" 2>&1
}
png_size() { od -An -tu1 -j16 -N8 "$1" | awk '{ print $1*16777216+$2*65536+$3*256+$4 "x" $5*16777216+$6*65536+$7*256+$8 }'; }

plant_workspace "$W/p"
run 0 "report of a workspace in which nothing ran" --dir "$W/p" report "$W/empty.html" --json
same "which is not proven" unproven "$(json '$.data.answer')"
run 0 "metrics of it" --dir "$W/p" metrics "$W/empty.prom"
has "every map has its last green time, 0 = never" 'dmfsync_last_green_time_seconds{map="units"} 0' "$W/empty.prom"

plant_verdicts "$W/p" 90
plant_states "$W/p"
run 0 "report" --dir "$W/p" report "$W/report.html" --json
same "the answer" no "$(json '$.data.answer')"
same "what stands against it: drift and rows that did not arrive" 2 "$(jsql "select count(*) from json_each(j, '\$.data.findings') where json_extract(value, '\$.blocks')")"
same "is for its owner only" 600 "$(stat -c %a "$W/report.html")"
if grep -qE '(src|href)="(https?:)?//|url\(|@import|<link|<script' "$W/report.html"; then not_ok "the page names nothing to load"; else
    ok "the page names nothing to load"; fi
has "a cause of failed rows" "is not found in the related table" "$W/report.html"
has "with its rows counted" '>154</td>' "$W/report.html"
has "a conflict" "+44 20 7946 0019" "$W/report.html"
has "a parked change" "is not in Dataverse yet" "$W/report.html"
has "a waiver with its reason" "agreed with J. Meyer" "$W/report.html"
has "one that is over" "over: it counts again" "$W/report.html"
has "what to do" "<code>dmfsync repair customers --execute</code>" "$W/report.html"

look "$W/report.html" 1280
same "on a screen: it fits" fits "$(probe width)"
same "nothing reaches over the edge" "0 " "$(probe over)"
same "it is light" "rgb(244, 246, 248)" "$(probe background)"
same "no script but the test's own" 1 "$(probe scripts)"
same "nothing foreign" 0 "$(probe foreign)"
same "ten maps" 10 "$(probe maps)"
same "the headline" "Not yet. The two sides differ on 1 of 10 maps." "$(probe answer)"
same "a day per map and night" 900 "$(probe days)"
same "no chart is squeezed" 0 "$(probe empty)"
same "no text is too small to read" 0 "$(probe small)"
same "the page is there whole" full "$(probe height)"
look "$W/report.html" 1280 --blink-settings=preferredColorScheme=0
same "in dark mode it is dark" "rgb(15, 20, 26)" "$(probe background)"
same "with light ink" "rgb(231, 236, 242)" "$(probe ink)"
look "$W/report.html" 500
same "on a phone: it fits" fits "$(probe width)"
same "tables scroll in themselves" "0 " "$(probe over)"
sed 's/@media print/@media all/' "$W/report.html" >"$W/print.html"
look "$W/print.html" 720
same "on paper: it fits" fits "$(probe width)"
same "nothing is cut off" "0 " "$(probe over)"
same "paper is white" "rgb(255, 255, 255)" "$(probe background)"
shot "$W/report.html" "$W/light.png" 1280 3000
shot "$W/report.html" "$W/dark.png" 1280 3000 --blink-settings=preferredColorScheme=0
same "a picture of it" 1280x3000 "$(png_size "$W/light.png")"
result "has something on it" $([ "$(stat -c %s "$W/light.png")" -gt 60000 ]; echo $?) "$(stat -c %s "$W/light.png") octets"
if cmp -s "$W/light.png" "$W/dark.png"; then not_ok "the dark picture is another one"; else ok "the dark picture is another one"; fi
timeout 120 "$CHROMIUM" --no-sandbox --disable-gpu --user-data-dir="$W/profile" --print-to-pdf="$W/r.pdf" "file://$W/report.html" >/dev/null 2>&1
result "it prints" $([ "$(head -c 5 "$W/r.pdf")" = "%PDF-" ]; echo $?)

# Whatever stands in names, keys and messages is text.
cp -R "$W/p" "$W/h"
cat >"$W/hostile.sql" <<'SQL'
insert into delta(key_digest, key, company, class, sign, note) values(x'aa01', '"><img src=x onerror=alert(1)>|A', '<b>', 'differ', '*', '');
insert into delta_field(key_digest, field, fno) values(x'aa01', '</td></table><script>document.title=1</script>', 'x');
insert into row_exception(run_id, side, row_no, line, key, state, stage, field, code, message, at) values(1, 'fno', 1, 2, char(8238) || 'gnp.exe',
 'rejected', 'target', '<i>', '&amp;', 'bad' || char(0) || char(27) || '[31m' || cast(x'c328ff' as text) || ' https://x.blob.core.windows.net/c?sv=1&sig=SECRETSIG '
 || 'Authorization: Bearer abc.def.ghi', '');
insert into conflict(key, field, base, fno, dataverse, rule, outcome, at) values('k' || printf('%.*c', 5000, 'W'), '<svg onload=alert(1)>', '', '''" onmouseover="x', '</style><style>*{display:none}', 'queue', 'open', '');
SQL
sqlite3 "$W/h/.dmfsync/maps/customers/state.db" <"$W/hostile.sql"
sqlite3 "$W/h/.dmfsync/work.db" "update gate set reason = '<script>alert(2)</script>', state = 'closed' where alias = 'vendors'; update verdict set data = json_set(data, '\$.map', '<u>x</u>\"''&') where id = (select max(id) from verdict where alias = 'sites'); update verdict set data = 'no json' where id = (select max(id) from verdict where alias = 'units')"
run 0 "report over hostile data" --dir "$W/h" report "$W/hostile.html"
look "$W/hostile.html" 1280
same "no script came in" 1 "$(probe scripts)"
same "no element, no handler" 0 "$(probe foreign)"
same "a name without a blank does not widen the page" fits "$(probe width)"
same "the page is there whole, too" full "$(probe height)"
has_not "a signature does not get into the page" SECRETSIG "$W/hostile.html"
has_not "nor a token" abc.def.ghi "$W/hostile.html"
has "markup is shown" '&lt;img src=x onerror=alert(1)&gt;' "$W/hostile.html"
result "it is valid UTF-8 without controls" $(LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$W/hostile.html"; [ $? = 1 ] && iconv -f utf-8 -t utf-8 "$W/hostile.html" >/dev/null 2>&1; echo $?)

# Metrics: the format, by its grammar; promtool itself where it is installed.
run 0 "metrics" --dir "$W/p" metrics "$W/m.prom"
same "readable for the collector" 644 "$(stat -c %a "$W/m.prom")"
bad=$(grep -vE '^# (HELP [a-z_]+ .+|TYPE [a-z_]+ (gauge|counter))$|^[a-z_]+(\{[a-z_]+="([^"\\]|\\.)*"(,[a-z_]+="([^"\\]|\\.)*")*\})? -?[0-9]+$' "$W/m.prom")
same "each line is one of the format's" "" "$bad"
same "no family comes twice" "" "$(grep '^# TYPE' "$W/m.prom" | sort | uniq -d)"
same "no sample comes twice" "" "$(grep -v '^#' "$W/m.prom" | sed 's/ [^ ]*$//' | sort | uniq -d)"
same "each family has its help" "$(grep -c '^# TYPE' "$W/m.prom")" "$(grep -c '^# HELP' "$W/m.prom")"
has "keys by class" 'dmfsync_keys{map="customers",class="differ"} 14' "$W/m.prom"
has "conflicts" 'dmfsync_changes{map="customers",state="conflict"} 1' "$W/m.prom"
has "failed rows" 'dmfsync_failed_rows{map="customers"} 232' "$W/m.prom"
green=$(sed -n 's/^dmfsync_last_green_time_seconds{map="currencies"} //p' "$W/m.prom") now=$(date +%s)
result "the last green time is that of the verdict" $([ $((now - green)) -ge 1200 ] && [ $((now - green)) -lt 9000 ]; echo $?) "$green"
green=$(sed -n 's/^dmfsync_last_green_time_seconds{map="customers"} //p' "$W/m.prom")
result "a drifting map keeps its old one" $([ $((now - green)) -gt 86400 ]; echo $?) "$green"
if command -v promtool >/dev/null; then promtool check metrics <"$W/m.prom" >"$W/promtool" 2>&1; result "promtool" $? "$(cat "$W/promtool")"; fi

# Whole or not at all, and never in the way.
run 5 "a folder that is not there" --dir "$W/p" report "$W/none/r.html"
run 2 "no file name" --dir "$W/p" report
run 2 "days beyond reason" --dir "$W/p" report "$W/x.html" --days 100000
cp "$W/report.html" "$W/old.html"
(ulimit -f 20; "$DMFSYNC_BIN" --dir "$W/p" report "$W/old.html" >/dev/null 2>&1)
result "a full disk leaves the old page as it was" $(cmp -s "$W/report.html" "$W/old.html"; echo $?)
sqlite3 "$W/p/.dmfsync/work.db" <<SQL
begin immediate;
insert into run(kind, command, state, identity, identity_text, version, started_at) values('x', 'x', 'running', 'i', '', '1', '2026-01-01T00:00:00Z');
.shell '$DMFSYNC_BIN' --dir '$W/p' report '$W/busy.html' >'$W/busy.out' 2>&1; echo \$? >'$W/busy.rc'
rollback;
SQL
same "beside a writer in the middle of a transaction" 0 "$(cat "$W/busy.rc")"
finish
