"""Scrapy, set up as its page on broad crawls tells, for one site."""

import json
import os
import re
import sys
import time

from scrapy import Spider
from scrapy.crawler import CrawlerProcess

TASK = json.loads(os.environ["BENCH_TASK"])
results = {}


class Catalogue(Spider):
    name = "catalogue"
    start_urls = [TASK["start"]]

    def parse(self, response):
        read = {
            "title": response.css("h1::text").get("").strip(),
            "price": response.css(".price::text").get("").strip(),
            "description": response.css(".description::text").get("").strip(),
            "links": response.css("a::attr(href)").getall(),
        }
        path = "/" + response.url.split("/", 3)[3]
        price = float(re.search(r"[\d.]+", read["price"]).group())
        results[path] = {"path": path, "title": read["title"], "price": price}
        yield read
        for link in read["links"]:
            yield response.follow(link)


process = CrawlerProcess(
    {
        "CONCURRENT_REQUESTS": TASK["concurrency"],
        "CONCURRENT_REQUESTS_PER_DOMAIN": TASK["concurrency"],
        "DOWNLOAD_DELAY": 0,
        "AUTOTHROTTLE_ENABLED": False,
        "ROBOTSTXT_OBEY": False,
        "COOKIES_ENABLED": False,
        "REACTOR_THREADPOOL_MAXSIZE": 20,
        "LOG_LEVEL": "ERROR",
        "TELNETCONSOLE_ENABLED": False,
        "LOGSTATS_INTERVAL": 0,
    }
)
process.crawl(Catalogue)
process.start()
json.dump({"endedAt": time.time() * 1000, "results": list(results.values())}, sys.stdout)
sys.stdout.write("\n")
