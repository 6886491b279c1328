# redis_server_of(<test>): the test program may start the Redis server that `./dev setup` fetched.
function(redis_server_of test)
  if(BUILD_TESTING)
    target_compile_definitions(${test} PRIVATE CORBEL_REDIS_SERVER="${CORBEL_DEPS}/redis/redis-server")
  endif()
endfunction()
