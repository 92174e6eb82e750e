/* One accent colour, tabular numbers, two columns of figures where there is room. */
#include "report/page.h"

const char *const pare_page_style[] = {
    ":root{color-scheme:light dark;--ink:#16202b;--soft:#566270;--line:#d9dfe5;--wash:#f3f5f8;"
    "--paper:#fff;--accent:#0b5cad}\n",
    "@media (prefers-color-scheme:dark){:root{--ink:#e8ecf1;--soft:#9eabb8;--line:#313b46;"
    "--wash:#1d252d;--paper:#12171c;--accent:#6db3ff}}\n",
    "*{box-sizing:border-box}\n",
    "html{-webkit-text-size-adjust:100%}\n",
    "body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"
    "\"Segoe UI\",Roboto,\"Helvetica Neue\",Arial,\"Noto Sans\",sans-serif}\n",
    "main{max-width:1120px;margin:0 auto;padding:56px 40px 64px}\n",
    "header{margin-bottom:36px}\n",
    "h1{font-size:44px;line-height:1.1;letter-spacing:-.02em;font-weight:680;margin:0 0 14px}\n",
    "h1 span{color:var(--soft);font-weight:400}\n",
    "h2{font-size:21px;line-height:1.3;letter-spacing:-.01em;font-weight:650;margin:52px 0 14px}\n",
    "p{margin:0 0 10px;max-width:70ch;overflow-wrap:anywhere}\n",
    ".lead{font-size:19px}\n",
    ".soft,figcaption p,.note{color:var(--soft)}\n",
    "bdi{overflow-wrap:anywhere}\n",
    ".tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:0 32px;margin:0;"
    "border-top:2px solid var(--ink)}\n",
    ".tiles div{padding:14px 0 0}\n",
    ".tiles dt{font-size:14px;color:var(--soft)}\n",
    ".tiles dd{margin:0;font-size:14px;color:var(--soft)}\n",
    ".tiles .big{font-size:36px;line-height:1.25;font-weight:620;letter-spacing:-.02em;"
    "color:var(--ink)}\n",
    ".tiles .first .big{color:var(--accent)}\n",
    ".note{border-left:4px solid var(--accent);background:var(--wash);color:var(--ink);"
    "padding:12px 18px;margin:28px 0 0}\n",
    ".note h2{font-size:16px;margin:0 0 4px}\n",
    ".note ul{margin:0;padding-left:20px}\n",
    ".note li{overflow-wrap:anywhere}\n",
    ".figures{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:48px 56px;"
    "margin-top:52px}\n",
    "figure{margin:0;min-width:0}\nfigure.single{max-width:720px}\n",
    "figcaption h2{margin:0 0 2px}\n",
    "figcaption p{font-size:15px;line-height:1.45;margin-bottom:14px}\n",
    "svg{display:block;width:100%;height:auto;overflow:visible}\n",
    "svg text{font-size:13px;fill:var(--soft);font-variant-numeric:tabular-nums;"
    "unicode-bidi:isolate}\n",
    "svg .small{font-size:12px}\n",
    "svg .middle{text-anchor:middle}\n",
    "svg .end{text-anchor:end}\n",
    "svg .label{fill:var(--ink)}\n",
    "svg path{fill:none}\n",
    ".grid path,path.grid{stroke:var(--line);stroke-width:1}\n",
    ".grid .base{stroke:var(--soft)}\n",
    ".curve{stroke:var(--accent);stroke-width:2.25;stroke-linejoin:round;stroke-linecap:round}\n",
    "svg .band{fill:var(--accent);fill-opacity:.16}\n",
    ".all{stroke:var(--ink);stroke-width:1.5}\n",
    ".random{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:2 5;stroke-linecap:round}\n",
    ".other{stroke:var(--soft);stroke-width:1.25;stroke-linejoin:round}\n",
    ".dot{fill:var(--paper);stroke:var(--accent);stroke-width:2.5}\n",
    ".bars,.pixels{fill:var(--accent)}\n",
    ".pixels{shape-rendering:crispEdges}\n",
    ".frame{fill:none;stroke:var(--soft)}\n",
    "svg .triangle path{fill:var(--accent)}\n",
    "svg .triangle .wash{fill:var(--wash)}\n",
    "svg .triangle .hollow{fill:none;stroke:var(--ink)}\n",
    "#pixels-figure svg{max-width:400px}\n",
    "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:15px}\n",
    "caption{text-align:left;color:var(--soft);padding:0 0 8px;font-size:15px}\n",
    "th,td{text-align:left;vertical-align:baseline;padding:7px 20px 7px 0;"
    "border-bottom:1px solid var(--line)}\n",
    "thead th{font-weight:500;color:var(--soft);font-size:14px;background:var(--paper);"
    "vertical-align:bottom}\n",
    "tbody th{font-weight:400}\n",
    "th:last-child,td:last-child{padding-right:0}\n",
    ".n{text-align:right;white-space:nowrap}\n",
    ".items{table-layout:fixed}\n",
    ".items .rank{color:var(--soft);width:64px}\n",
    ".items .score,.items .path{width:118px}\n",
    ".items .pixel{width:110px}\n.items .path::first-letter{text-transform:uppercase}\n",
    ".items small{display:block;font-size:13px;color:var(--soft);overflow-wrap:anywhere}\n",
    ".items .bar{width:28%}\n.items td.bar{padding-left:4px}\n",
    ".items .bar span{display:block;height:9px;background:var(--accent);min-width:1px}\n",
    ".worth th:nth-child(2),.worth td:nth-child(2){font-weight:620;color:var(--accent)}\n",
    ".scroll{overflow-x:auto}\n",
    ".long{max-height:640px;overflow:auto;border-bottom:1px solid var(--line)}\n",
    ".long thead th{position:sticky;top:0}\n",
    ".facts th{width:30%;color:var(--soft)}\n",
    ".facts td{overflow-wrap:anywhere}\n",
    "details{margin-top:12px;font-size:15px}\n",
    "summary{cursor:pointer;color:var(--accent)}\n",
    "details table{margin-top:8px}\n",
    ":focus-visible{outline:2px solid var(--accent);outline-offset:3px}\n",
    "footer{margin-top:56px;padding-top:14px;border-top:1px solid var(--line);font-size:14px;"
    "color:var(--soft)}\n",
    "@media (max-width:900px){.figures{grid-template-columns:minmax(0,1fr);max-width:620px}"
    ".tiles{grid-template-columns:repeat(2,1fr)}}\n",
    "@media (max-width:560px){main{padding:32px 18px 40px}h1{font-size:32px}.lead{font-size:17px}"
    ".tiles .big{font-size:29px}.tiles{gap:0 20px}svg text{font-size:16px}svg .small{"
    "font-size:13px}th,td{padding-right:12px}"
    ".items .bar{display:none}.items th.n{white-space:normal}.items .rank{width:48px}"
    ".items .score,.items .path{width:88px}.items .pixel{width:76px}h2{margin-top:40px}"
    ".figures{gap:40px;margin-top:40px}}\n",
    "@media print{:root{--ink:#000;--soft:#333;--line:#bbb;--wash:#eee;--paper:#fff;--accent:#000}"
    "main{padding:0}.long{max-height:none;overflow:visible}figure,tr{break-inside:avoid}"
    ".bars,.items .bar span{print-color-adjust:exact;-webkit-print-color-adjust:exact}}\n",
    NULL,
};
