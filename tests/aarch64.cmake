# aarch64.cmake - a CMake toolchain file: builds for aarch64, and runs the tests by qemu.
# It is what tests/run.sh --compiler aarch64-linux-gnu-gcc uses.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
find_program(POSSE_QEMU NAMES qemu-aarch64 qemu-aarch64-static REQUIRED)
# Old qemus keep a note of each page that a program reserves, so there is only as much to reserve as
# tests need: not a heap for each thread.
set(CMAKE_CROSSCOMPILING_EMULATOR
  ${POSSE_QEMU} -R 12G -E MALLOC_ARENA_MAX=2 -L /usr/aarch64-linux-gnu)
