//! Client requests to Valgrind's Memcheck (`valgrind.h`, `memcheck.h`): which bytes are secret, and
//! how often a jump or an address has depended on one. Without Valgrind they do nothing.
//!
//! A secret is what Memcheck calls undefined: it may be copied and computed with, and whatever comes
//! out is secret too.

#[cfg(not(target_arch = "x86_64"))]
compile_error!("the client requests are written for x86-64");

const RUNNING: usize = 0x1001;
const COUNT_ERRORS: usize = 0x1201;
const MAKE_UNDEFINED: usize = 0x4D43_0001;
const MAKE_DEFINED: usize = 0x4D43_0002;
const GET_VALIDITY: usize = 0x4D43_0008;

/// Whether Valgrind runs this program.
pub fn is_running() -> bool {
    request(RUNNING, [0; 3]) != 0
}

/// How many jumps and addresses have depended on a secret so far.
pub fn findings() -> usize {
    request(COUNT_ERRORS, [0; 3])
}

/// The bytes, secret from now on.
pub fn secret<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    request(MAKE_UNDEFINED, [bytes.as_mut_ptr() as usize, N, 0]);
    bytes
}

/// Makes bytes public, such as those that have gone over a wire.
pub fn publish(bytes: &mut [u8]) {
    request(MAKE_DEFINED, [bytes.as_mut_ptr() as usize, bytes.len(), 0]);
}

/// Whether any bit is secret.
pub fn is_secret(bytes: &[u8]) -> bool {
    let mut validity = vec![0_u8; bytes.len()];
    let arguments = [bytes.as_ptr() as usize, validity.as_mut_ptr() as usize, bytes.len()];
    request(GET_VALIDITY, arguments);
    validity.iter().any(|&bits| bits != 0)
}

fn request(code: usize, [a, b, c]: [usize; 3]) -> usize {
    let arguments = [code, a, b, c, 0, 0];
    let result;
    // SAFETY: the rotations add up to two full turns and the exchange is of a register with itself,
    // so that the processor does nothing. Valgrind takes the sequence as a call, reads the
    // arguments, and marks or copies memory that the caller owns.
    unsafe {
        core::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") arguments.as_ptr(),
            inout("rdx") 0_usize => result,
        );
    }
    result
}
