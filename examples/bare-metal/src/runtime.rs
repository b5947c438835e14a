//! What every firmware brings itself: a heap and a last resort. The only unsafe code.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::{Cell, UnsafeCell};
use core::panic::PanicInfo;
use core::ptr::null_mut;

/// Heap size, in bytes. One judgement needs the records of one card.
const HEAP_LEN: usize = 64 * 1024;

#[global_allocator]
static HEAP: Heap =
    Heap { memory: UnsafeCell::new([0; HEAP_LEN]), used: Cell::new(0), live: Cell::new(0) };

/// A heap that grows until nothing is allocated any more, then starts again at its bottom.
///
/// Fits work that comes in exchanges, each of which frees all it took.
struct Heap {
    memory: UnsafeCell<[u8; HEAP_LEN]>,
    used: Cell<usize>,
    live: Cell<usize>,
}

// SAFETY: the sketch runs on one core and allocates in no interrupt handler.
unsafe impl Sync for Heap {}

// SAFETY: each block lies in `memory`, aligned, behind every block still alive.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.memory.get().cast::<u8>();
        let free = base.wrapping_add(self.used.get());
        let start = self.used.get().saturating_add(free.align_offset(layout.align()));
        match start.checked_add(layout.size()) {
            Some(end) if end <= HEAP_LEN => {
                self.used.set(end);
                self.live.set(self.live.get() + 1);
                base.wrapping_add(start)
            }
            _ => null_mut(),
        }
    }

    unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {
        self.live.set(self.live.get() - 1);
        if self.live.get() == 0 {
            self.used.set(0);
        }
    }
}

/// Stops. Firmware would reset here; a reader that restarts is locked.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
