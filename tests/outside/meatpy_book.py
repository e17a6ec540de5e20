"""Holds our books of an ITCH 5.0 file against meatpy's, order by order.

Usage: meatpy_book.py FILE.itch OURS.jsonl SIM.json

OURS.jsonl is what `cargo run --example itch_book -- FILE EVERY` prints; SIM.json is the summary of the exchange that
wrote the file. Ends with 1 and the first difference where books differ, or where there was too little to compare.
"""

import datetime
import json
import sys

from meatpy.itch50 import ITCH50MarketProcessor, ITCH50MessageReader
from meatpy.itch50.itch50_market_message import StockDirectoryMessage


def book_of(processors):
    """The orders of all processors as the exchange lists them; levels and queues are in the order of trading."""
    lines = []
    for symbol, processor in processors.items():
        lob = processor.current_lob
        if lob is None:
            continue
        for side, levels in (("buy", lob.bid_levels), ("sell", lob.ask_levels)):
            for level in levels:
                for order in level.queue:
                    lines.append((symbol, side, order.order_id, level.price, order.volume))
    return lines


def line_of(order):
    return (order["symbol"], order["side"], order["order"], int(str(order["price"]).replace(".", "")), order["qty"])


def compare(what, ours, theirs):
    for index, (one, other) in enumerate(zip(ours, theirs)):
        if one != other:
            sys.exit(f"{what}: order {index} of the books: ours {one}, meatpy's {other}")
    if len(ours) != len(theirs):
        sys.exit(f"{what}: our book has {len(ours)} orders, meatpy's {len(theirs)}")


def main(itch, ours, sim):
    with open(ours, encoding="utf-8") as file:
        books = [json.loads(line) for line in file]
    expected = {book["after"]: [line_of(order) for order in book["book"]] for book in books}
    # The stamps in the file count from midnight: the day itself plays no part.
    day = datetime.datetime(2026, 1, 5)
    processors = {}
    compared = orders = count = 0
    with ITCH50MessageReader(itch) as reader:
        for message in reader:
            if isinstance(message, StockDirectoryMessage):
                symbol = message.stock.decode().strip()
                processors[symbol] = ITCH50MarketProcessor(symbol, day)
            for processor in processors.values():
                processor.process_message(message)
            count += 1
            if count in expected:
                compare(f"after {count} messages", expected[count], book_of(processors))
                compared += 1
                orders += len(expected[count])
    if compared != len(expected) or compared < 3 or orders < 100:
        sys.exit(f"only {compared} of {len(expected)} books with {orders} orders were compared in {count} messages")
    with open(sim, encoding="utf-8") as file:
        exchange = [line_of(order) for order in json.load(file)["book"]]
    compare("the exchange's own book", exchange, book_of(processors))
    print(f"meatpy agrees: {compared} books, {orders} orders, {count} messages")


if __name__ == "__main__":
    main(*sys.argv[1:])
