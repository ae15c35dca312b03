"""The expressions and the cases of `user-agents`: python3 functions/claims/user-agents/oracle.py

The expressions are made of names of browsers and of the forms in which user agents have them. Python's `re` computes
the expected answers.
"""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from cases import JSON, TEXT, Cases, compact, query, response  # noqa: E402

HERE = Path(__file__).resolve().parent

NAMES = """
Firefox Fennec Focus Klar Iceweasel IceCat Waterfox PaleMoon Basilisk SeaMonkey Camino Minefield Flock K-Meleon
Chromium Chrome CriOS Edg EdgA EdgiOS Edge Brave Vivaldi Iridium Epiphany Falkon QupZilla Konqueror Midori Otter
OPR OPiOS Opera Coast Yandex YaBrowser Sleipnir Lunascape Maxthon UCBrowser UBrowser QQBrowser MQQBrowser MicroMessenger
Silk Puffin Dolphin DuckDuckGo SamsungBrowser MiuiBrowser HuaweiBrowser HeyTapBrowser VivoBrowser Whale Coc_Coc_Browser
Safari Version Mobile iCab OmniWeb Arora Dooble Dillo NetSurf Links Lynx ELinks w3m Galeon Kazehakase Uzbl surf Luakit
Nintendo PlayStation Kindle BlackBerry webOS Tizen Electron PhantomJS HeadlessChrome Cypress Puppeteer Playwright
Googlebot Bingbot YandexBot DuckDuckBot Baiduspider Applebot AhrefsBot SemrushBot MJ12bot PetalBot Slackbot Twitterbot
facebookexternalhit LinkedInBot TelegramBot WhatsApp Discordbot curl Wget HTTPie python-requests okhttp Java Go-http-client
""".split()

# In the order in which they are tried.
FORMS = [
    r"({name})/(\d+)\.(\d+)\.(\d+)\.(\d+)",
    r"({name})/(\d+)(?:\.(\d+)|)(?:\.(\d+)|)",
    r"(?:Mobile|Tablet);.*({name})[ /](\d+)\.(\d+)",
    r"; ?({name})(?: (\d+)|)[;)]",
]

AGENTS = {
    "firefox": "Mozilla/5.0 (X11; Linux x86_64; rv:85.0) Gecko/20100101 Firefox/85.0",
    "chrome": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.6099.71 Safari/537.36",
    "tablet": "Mozilla/5.0 (Android 14; Tablet; rv:120.0) Gecko/120.0 Firefox/120.0",
    "bot": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "bare-name": "Mozilla/5.0 (compatible; Konqueror; Linux)",
    "curl": "curl/8.5.0",
    "arabic-digits": "Lynx/\u0662.\u0663",
    "unknown": "Mozilla/5.0 (a browser of the future)",
    "empty": "",
}


def main() -> None:
    entries = [(name, form.format(name=re.escape(name))) for form in FORMS for name in NAMES]
    lines = [f"{name}\t{expression}\n" for name, expression in entries]
    (HERE / "expressions.txt").write_text("".join(lines), encoding="utf-8")
    cases = Cases(__file__)
    for case, agent in AGENTS.items():
        found = [name for name, expression in entries if re.search(expression, agent)]
        answer = {"browser": found[0] if found else None, "matches": len(found)}
        cases.get(case, query("agent", agent), response(200, JSON, compact(answer)))
    cases.get("bad-no-agent", "", response(400, TEXT, "the query needs `agent`"))


if __name__ == "__main__":
    main()
