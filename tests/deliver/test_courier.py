from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from django.test import SimpleTestCase

from courant_mail.choices import Outcome
from courant_mail.conf import RelaySettings
from courant_mail.deliver.courier import WITHDRAWN, Courier, Crashed, Done, Report, Stock, Task
from courant_mail.exceptions import InvalidMail
from courant_mail.testing.smtp_server import SmtpServer, close, garbage, reply

from .helpers import BODY, relay_of


def task(key: int, priority: int = 3, render: Callable[[], bytes] = lambda: BODY) -> Task:
    return Task(key, priority, "news@example.org", f"r{key}@example.org", render)


class StockTests(SimpleTestCase):
    def test_urgent_first_then_first_come_first_served(self):
        stock = Stock()
        stock.put([task(1, 3), task(2, 1), task(3, 3)])
        stock.put([task(4, 1), task(5, 2)])
        self.assertEqual(len(stock), 5)
        keys = [found.key for found in iter(stock.pop_nowait, None)]
        self.assertEqual(keys, [2, 4, 5, 1, 3])

    def test_after_close_what_is_left_can_only_be_drained(self):
        stock = Stock()
        stock.put([task(1), task(2, 1)])
        stock.close()
        self.assertIsNone(stock.pop_nowait())
        self.assertIsNone(stock.wait())
        self.assertEqual([found.key for found in stock.drain()], [2, 1])
        with self.assertRaises(RuntimeError):
            stock.put([task(3)])

    def test_waiting_ends_with_a_put_a_close_a_timeout_or_a_wake(self):
        self.assertIsNone(Stock().wait(timeout=0.01))
        for how in ("put", "close", "wake"):
            with self.subTest(how):
                self.assertEqual(self.woken_by(how) is not None, how == "put")

    def woken_by(self, how: str) -> Task | None:
        stock, stopped, found = Stock(), threading.Event(), queue.SimpleQueue[Task | None]()
        thread = threading.Thread(target=lambda: found.put(stock.wait(until=stopped.is_set)))
        thread.start()
        if how == "put":
            stock.put([task(1)])
        elif how == "close":
            stock.close()
        else:
            stopped.set()
            stock.wake()
        return found.get(timeout=5)


class CourierTests(SimpleTestCase):
    def start(self, relay: RelaySettings, *tasks: Task, idle_seconds: float = 30.0) -> Courier:
        self.stock, self.inbox = Stock(), queue.SimpleQueue[Report | Crashed]()
        courier = Courier(1, relay, self.stock, self.inbox, idle_seconds=idle_seconds)
        self.stock.put(tasks)
        courier.start()
        self.addCleanup(self.end, courier)
        return courier

    def end(self, courier: Courier) -> None:
        self.stock.close()
        courier.permits.put(False)
        courier.join(5)
        self.assertFalse(courier.is_alive())

    def told(self) -> Report:
        report = self.inbox.get(timeout=5)
        self.assertIsInstance(report, Report)
        return report  # type: ignore[return-value]

    def until(self, courier: Courier, count: int) -> list[Done]:
        """Permit everything until so many tasks have ended."""
        done: list[Done] = []
        while len(done) < count:
            report = self.told()
            done += report.done
            if report.ready is not None:
                courier.permits.put(True)
        return done

    def outcomes(self, done: list[Done]) -> list[tuple[int, Outcome]]:
        return [(ended.task.key, ended.result.outcome) for ended in done]

    def test_tells_what_is_ready_before_its_dot_and_what_ended_with_the_next(self):
        with SmtpServer() as server:
            courier = self.start(relay_of(server), task(1), task(2))
            first = self.told()
            self.assertEqual((first.done, first.ready and first.ready.key), ([], 1))
            self.assertTrue(server.wait_for_command(b"DATA"))
            self.assertEqual(server.count, 0)
            courier.permits.put(True)
            second = self.told()
            self.assertEqual((self.outcomes(second.done), second.ready and second.ready.key), ([(1, "sent")], 2))
            self.assertGreater(second.done[0].result.seconds, 0)
            self.assertEqual(server.count, 1)
            courier.permits.put(True)
            last = self.told()
            self.assertEqual((self.outcomes(last.done), last.ready), ([(2, "sent")], None))
            self.assertEqual(server.connections, 1)

    def test_without_a_permit_nothing_is_sent_and_the_task_comes_back(self):
        with SmtpServer() as server:
            courier = self.start(relay_of(server), task(1), task(2))
            self.told()
            courier.permits.put(False)
            report = self.told()
            self.assertIs(report.done[0].result, WITHDRAWN)
            self.assertEqual(self.outcomes(self.until(courier, 1)), [(2, Outcome.SENT)])
            self.assertEqual([mail.rcpt_to for mail in server.mails], [("r2@example.org",)])

    def test_what_cannot_be_rendered_harms_only_itself(self):
        def impossible() -> bytes:
            raise InvalidMail("text, line 3: unknown tag")

        def broken() -> bytes:
            return b"%d" % (1 // 0)

        with SmtpServer() as server, self.assertLogs("courant_mail.deliver", "ERROR"):
            courier = self.start(relay_of(server), task(1, render=impossible), task(2, render=broken), task(3))
            done = self.until(courier, 3)
            self.assertEqual(self.outcomes(done), [(1, "our_fault"), (2, "our_fault"), (3, "sent")])
            self.assertEqual(done[0].result.reply, "text, line 3: unknown tag")
            self.assertIn("ZeroDivisionError", done[1].result.reply)

    def test_a_worn_connection_is_replaced_and_the_task_tried_again(self):
        for step in ("mail", "rcpt", "data"):
            with self.subTest(step), SmtpServer() as server:
                server.on(step, reply(421, "4.7.0 too many mails on this connection", close=True), nth=3)
                courier = self.start(relay_of(server), *map(task, range(5)))
                done = self.until(courier, 5)
                self.assertEqual({ended.result.outcome for ended in done}, {Outcome.SENT})
                self.assertEqual((server.connections, server.count), (2, 5))
                self.end(courier)

    def test_a_connection_lost_while_waiting_for_the_permit_asks_again(self):
        with SmtpServer() as server:
            courier = self.start(relay_of(server), task(1), task(2))
            self.told()
            courier.permits.put(True)
            self.assertEqual(self.told().ready and 2, 2)
            server.hang_up()
            for thread in server._threads[1:]:
                thread.join(5)
            courier.permits.put(True)
            again = self.told()
            self.assertEqual((again.done, again.ready and again.ready.key), ([], 2))
            courier.permits.put(True)
            self.assertEqual(self.outcomes(self.told().done), [(2, Outcome.SENT)])
            self.assertEqual([mail.rcpt_to[0] for mail in server.mails], ["r1@example.org", "r2@example.org"])

    def test_what_is_in_doubt_is_never_tried_again(self):
        with SmtpServer() as server:
            server.on("dot", close(accept=True), nth=2)
            courier = self.start(relay_of(server), *map(task, range(3)))
            done = self.until(courier, 3)
            self.assertEqual(self.outcomes(done), [(0, "sent"), (1, "in_doubt"), (2, "sent")])
            self.assertEqual(server.count, 3)

    def test_after_trouble_it_rests_until_more_is_put(self):
        with SmtpServer() as server:
            rule = server.on("connect", reply(421, "4.3.2 not now", close=True), times=1)
            courier = self.start(relay_of(server), task(1), task(2))
            report = self.told()
            self.assertEqual(self.outcomes(report.done), [(1, Outcome.RELAY_TROUBLE)])
            with self.assertRaises(queue.Empty):
                self.inbox.get(timeout=0.05)
            self.assertEqual((rule.taken, len(self.stock)), (1, 1))
            self.stock.put([])
            self.assertEqual(self.outcomes(self.until(courier, 1)), [(2, Outcome.SENT)])

    def test_wrong_options_are_reported_as_such(self):
        self.start(RelaySettings(name="x", options={"hots": "typo"}), task(1))
        report = self.told()
        self.assertEqual(self.outcomes(report.done), [(1, Outcome.MISCONFIGURED)])
        self.assertIn("hots", report.done[0].result.reply)

    def test_so_many_messages_per_connection_and_no_more(self):
        with SmtpServer() as server:
            relay = RelaySettings(
                name="x", options={"host": server.host, "port": server.port}, messages_per_connection=2
            )
            courier = self.start(relay, *map(task, range(5)))
            self.until(courier, 5)
            self.assertEqual(server.connections, 3)
            self.assertEqual([mail.connection for mail in server.mails], [1, 1, 2, 2, 3])

    def test_an_idle_connection_says_goodbye_and_comes_back(self):
        with SmtpServer() as server:
            courier = self.start(relay_of(server), task(1), idle_seconds=0.05)
            self.until(courier, 1)
            self.assertTrue(server.wait_for_command(b"QUIT"))
            self.stock.put([task(2)])
            self.assertEqual(self.outcomes(self.until(courier, 1)), [(2, Outcome.SENT)])
            self.assertEqual(server.connections, 2)

    def test_many_refusals_are_told_before_the_stock_is_empty(self):
        with SmtpServer() as server:
            server.on("rcpt", reply(550, "5.1.1 no such user"))
            self.start(relay_of(server), *map(task, range(50)))
            self.assertLess(len(self.told().done), 50)

    def test_stop_finishes_what_is_in_hand_and_leaves_the_rest(self):
        with SmtpServer() as server:
            courier = self.start(relay_of(server), task(1), task(2))
            self.told()
            courier.stop()
            courier.permits.put(True)
            self.assertEqual(self.outcomes(self.told().done), [(1, Outcome.SENT)])
            courier.join(5)
            self.assertFalse(courier.is_alive())
            self.assertEqual((len(self.stock), server.count), (1, 1))
            self.assertTrue(server.wait_for_command(b"QUIT"))

    def test_stop_wakes_a_courier_without_work(self):
        with SmtpServer() as server:
            courier = self.start(relay_of(server))
            self.told()
            courier.stop()
            courier.join(5)
            self.assertFalse(courier.is_alive())

    def test_a_death_is_reported(self):
        class Interrupted(BaseException):
            pass

        def deadly() -> bytes:
            raise Interrupted

        with SmtpServer() as server:
            courier = self.start(relay_of(server), task(1, render=deadly))
            crash = self.inbox.get(timeout=5)
            if not isinstance(crash, Crashed):
                self.fail(f"{crash} is no crash")
            self.assertIsInstance(crash.error, Interrupted)
            self.assertEqual((crash.courier, crash.task and crash.task.key), (courier, 1))

    def test_garbage_from_a_new_connection_is_not_tried_for_ever(self):
        with SmtpServer() as server:
            server.on("mail", garbage())
            self.start(relay_of(server), task(1))
            self.assertEqual(self.outcomes(self.told().done), [(1, Outcome.RELAY_TROUBLE)])
            self.assertEqual(server.connections, 1)

    def test_four_couriers_share_a_stock_and_send_each_task_once(self):
        with SmtpServer() as server:
            stock, inbox = Stock(), queue.SimpleQueue[Report | Crashed]()
            couriers = [Courier(number, relay_of(server), stock, inbox) for number in range(4)]
            stock.put(task(key) for key in range(200))
            for courier in couriers:
                courier.start()
            done = 0
            while done < 200:
                report = inbox.get(timeout=5)
                done += len(report.done)
                if isinstance(report, Report) and report.ready:
                    report.courier.permits.put(True)
            stock.close()
            for courier in couriers:
                courier.join(5)
            got = sorted(mail.rcpt_to[0] for mail in server.mails)
            self.assertEqual(got, sorted(f"r{key}@example.org" for key in range(200)))
