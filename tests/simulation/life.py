"""La vida de un mundo: sus temporizadores, lo que hace la gente y lo que queda apuntado de todo."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from estado_eventos.domain.transitions import FINISH, START, TRANSITIONS
from estado_eventos.reconcile.plan import Plan
from estado_eventos.reconcile.tick import lead_seconds
from tests.simulation.loop import VirtualLoop
from tests.simulation.machine import Machine, Process, label
from tests.simulation.model import VERBS
from tests.simulation.wire import Moved, Wire
from tests.simulation.world import Act, Site, World

_STEP_SECONDS = 5.0


@dataclass(slots=True)
class Life:
    """Un mundo en marcha y, al acabar, lo que pasó en él."""

    world: World
    wire: Wire = field(init=False)
    machines: dict[str, Machine] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    """Los eventos que tocó una persona en el backend."""
    by_hand: list["asyncio.Task[None]"] = field(default_factory=list)

    def run(self) -> None:
        """Lo vive entero, en un instante."""
        # Lo que el programa echa a suertes.
        random.seed(self.world.seed)
        loop = VirtualLoop(label)
        world = self.world
        self.wire = Wire(
            world.model,
            world.weather,
            random.Random(world.seed),
            lambda: world.clock.at(loop.time()),
            world.latency,
            world.gap,
        )
        for site in world.sites:
            self.machines[site.name] = Machine(site.name, _reading(site, loop), site.settings())
        try:
            loop.run_until_complete(self._run(loop))
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()

    async def _run(self, loop: VirtualLoop) -> None:
        for act in self.world.acts:
            loop.call_at(act.at, self._do, act)
        await asyncio.gather(*(self._tick_away(site, loop) for site in self.world.sites))
        await asyncio.gather(*self.by_hand)

    async def _tick_away(self, site: Site, loop: VirtualLoop) -> None:
        """El temporizador de una máquina: una pasada por tic, nunca dos a la vez."""
        machine, interval = self.machines[site.name], self.world.interval
        lead = lead_seconds(interval) if site.has_lead else 0
        is_steady = site.clock.is_steady
        until = self.world.end if site.dies_at is None else site.dies_at
        while True:
            target = (machine.wall() + lead) // interval * interval + interval - lead
            while (left := target - machine.wall()) > 0:
                await asyncio.sleep(left if is_steady else min(left, _STEP_SECONDS))
            if loop.time() >= until:
                return
            await self._launch(machine, Plan("run-once", TRANSITIONS), scheduled=True).run()

    def _launch(self, machine: Machine, plan: Plan, *, scheduled: bool = False) -> Process:
        process = Process(machine, self.wire, machine.settings, plan, len(self.processes) + 1, scheduled)
        self.processes.append(process)
        return process

    def _do(self, act: Act) -> None:
        """Hace lo que alguien hace."""
        model = self.world.model
        match act.name:
            case "kill" | "stop":
                for process in self._running(act.target):
                    process.kill() if act.name == "kill" else process.stop()
            case "move" | "back" | "edit":
                self._touch(act)
            case "rotate":
                model.tokens.clear()
            case "demote" | "undemote":
                model.is_admin = act.name == "undemote"
            case "password" | "unpassword":
                model.password = "otra" if act.name == "password" else "contraseña-de-mentira"
            case "follow_up" | "unfollow_up":
                model.follow_up_status = int(act.amount)
            case "jump":
                self._jump(act)
            case command:
                self._run_by_hand(command, self.machines[act.target])

    def _running(self, machine: str) -> list[Process]:
        return [process for process in self.processes if process.machine.name == machine and process.ended_at is None]

    def _touch(self, act: Act) -> None:
        event = self.world.model.events.get(act.target)
        if event is None:
            return
        self.touched.add(event.key)
        match act.name:
            case "edit":
                event.starts_at += act.amount
                event.ends_at += act.amount
            case "move" if event.state < 2:
                now = asyncio.get_running_loop().time()
                self.wire.history.append(Moved(now, event.key, VERBS[event.state], event.state, None))
                event.state += 1
            case "back":
                event.state = max(0, event.state - 1)

    def _jump(self, act: Act) -> None:
        clocks = {"backend": self.world.clock, **{site.name: site.clock for site in self.world.sites}}
        clocks[act.target].jumps.append((act.at, act.amount))

    def _run_by_hand(self, command: str, machine: Machine) -> None:
        transitions = {"start": (START,), "finish": (FINISH,)}.get(command, TRANSITIONS)
        only = frozenset(list(self.world.model.events)[:2]) if command == "event" else frozenset()
        process = self._launch(machine, Plan(command, transitions, only, dry_run=command == "dry-run"))
        self.by_hand.append(asyncio.get_running_loop().create_task(process.run()))


def _reading(site: Site, loop: VirtualLoop) -> Callable[[], float]:
    return lambda: site.clock.at(loop.time())
