# posse-relay with Open MPI and with MPICH, as Debian names their tools, and the tests of each. One
# that is not here is skipped.
get_target_property(sources posse_relay SOURCES)
list(TRANSFORM sources PREPEND ${PROJECT_SOURCE_DIR}/lib/remote/)
foreach(mpi openmpi mpich)
  find_program(POSSE_MPICC_${mpi} mpicc.${mpi})
  find_program(POSSE_MPIRUN_${mpi} mpirun.${mpi})
  set(path_${mpi})
  if(POSSE_MPICC_${mpi} AND POSSE_MPIRUN_${mpi})
    set(path_${mpi} ${CMAKE_CURRENT_BINARY_DIR}/remote/${mpi})
    file(WRITE ${path_${mpi}}/made/mpirun "#!/bin/sh\nexec ${POSSE_MPIRUN_${mpi}} \"$@\"\n")
    file(COPY ${path_${mpi}}/made/mpirun DESTINATION ${path_${mpi}}
         FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
  endif()
endforeach()

foreach(mpi openmpi mpich)
  set(relay)
  set(other ${path_mpich})
  if(mpi STREQUAL "mpich")
    set(other ${path_openmpi})
  endif()
  posse_test(remote/relay_${mpi} ${CMAKE_CURRENT_LIST_DIR}/relay.c
             $<TARGET_OBJECTS:posse_test_agent> LIBRARY posse_remote_static BACKENDS process)
  if(path_${mpi})
    set(relay ${path_${mpi}}/posse-relay)
    add_custom_command(OUTPUT ${relay}
      COMMAND ${POSSE_MPICC_${mpi}} -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror
              -I${PROJECT_SOURCE_DIR}/lib -I${PROJECT_SOURCE_DIR}/include ${sources} -o ${relay}
      DEPENDS ${sources})
    add_custom_target(posse_relay_${mpi} ALL DEPENDS ${relay})
    add_dependencies(test_remote_relay_${mpi} posse_relay_${mpi})
  endif()
  target_compile_definitions(test_remote_relay_${mpi} PRIVATE
    TEST_RELAY="${relay}" TEST_PATH="${path_${mpi}}" TEST_OTHER_PATH="${other}")
endforeach()

# The rest of it needs no MPI.
posse_test(remote/carried ${CMAKE_CURRENT_LIST_DIR}/carried.c
           ${PROJECT_SOURCE_DIR}/lib/remote/mpi/carry.c
           ${PROJECT_SOURCE_DIR}/lib/remote/mpi/relay_frame.c
           LIBRARY posse_remote_static BACKENDS process)
