#!/bin/bash
# An Apache Kafka broker (KRaft): kafka.sh install | start DIR PORT [N] | stop DIR [KILL]
# Clients on PORT, controller on PORT+1. With N (1, 2, 3) it is that broker of three: PORT is the first's, the others'
# are 10 and 20 higher; start the three at once, because none gets ready before two are up, and each in a DIR of its own.
# DIR/extra.properties, put there before start, is appended to server.properties, where the last value wins.
# KAFKA_FORMAT='--add-scram SCRAM-SHA-256=[name=u,password=p]' makes SCRAM users, at the first start only.
# shellcheck source-path=SCRIPTDIR source=java.sh
source "$(dirname "$(readlink -f "$0")")/java.sh"
# shellcheck source-path=SCRIPTDIR source=lib-db.sh
source "$(dirname "$(readlink -f "$0")")/lib-db.sh"

VERSION=4.3.1 # 4.4.0 depends on kafka-tools-api 4.4.0, which is not published
LOG4J=2.25.4  # Kafka brings log4j but no binding for slf4j 1.7: without one the broker logs nothing
NAME=kafka-$VERSION
JAVA+=(-cp "$CACHE/$NAME/libs/*" "-Dlog4j2.configurationFile=$CACHE/$NAME/log4j2.properties")

install() {
  once "$NAME" fill
  once tls keys
}

fill() {
  jars org.apache.kafka:kafka_2.13:$VERSION org.apache.logging.log4j:log4j-slf4j-impl:$LOG4J "$1"
  printf '%s\n' rootLogger.level=info rootLogger.appenderRef.c.ref=c appender.c.type=Console appender.c.name=c \
    appender.c.layout.type=PatternLayout 'appender.c.layout.pattern=%d %p %c{1} %m%n' >"$1/log4j2.properties"
}

hex() { od -An -v -tx1 | tr -d ' \n'; }

# ready PORT: a Metadata request (v1, no topics) is answered with broker ID at PORT in it. An open port proves little:
# a broker listens before it is unfenced, and only then is in that list.
ready() {
  local want
  want=$(printf '%08x0009%s%08x' "$ID" "$(printf 127.0.0.1 | hex)" "$1")
  [[ $( (exec 3<>"/dev/tcp/127.0.0.1/$1"
    printf '\0\0\0\16\0\3\0\1\0\0\0\7\377\377\0\0\0\0' >&3
    timeout 0.3 cat <&3 | hex) 2>/dev/null) == *"$want"* ]]
}

# properties DIR PORT COPIES VOTERS
properties() {
  # The session is short because a killed broker is answered DUPLICATE_BROKER_REGISTRATION until its old session ends.
  printf '%s\n' process.roles=broker,controller "node.id=$ID" "controller.quorum.voters=$4" "log.dirs=$1/data" \
    "listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$(($2 + 1))" controller.listener.names=CONTROLLER \
    broker.session.timeout.ms=3000 broker.heartbeat.interval.ms=500 group.initial.rebalance.delay.ms=0 \
    auto.create.topics.enable=false offsets.topic.num.partitions=1 "offsets.topic.replication.factor=$3" \
    transaction.state.log.num.partitions=1 "transaction.state.log.replication.factor=$3" \
    "transaction.state.log.min.isr=$((($3 + 1) / 2))"
  cat "$1/extra.properties" 2>/dev/null || true
}

start() {
  local dir port=$2 copies=1 voters="1@127.0.0.1:$(($2 + 1))"
  dir=$(realpath -m "$1")
  ID=${3:-1}
  install
  if [[ $# == 3 ]]; then
    port=$(($2 + 10 * ID - 10)) copies=3
    voters+=",2@127.0.0.1:$(($2 + 11)),3@127.0.0.1:$(($2 + 21))"
  fi
  mkdir -p "$dir"
  properties "$dir" "$port" "$copies" "$voters" >"$dir/server.properties"
  # The cluster id is fixed, so that three are formatted without talking to each other. KAFKA_FORMAT is a list of words.
  # shellcheck disable=SC2086
  [[ -f $dir/data/meta.properties ]] || "${JAVA[@]}" kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAQ \
    -c "$dir/server.properties" ${KAFKA_FORMAT:-} >"$dir/log" 2>&1 || die "format failed, see $dir/log"
  launch "$dir" "$port" ready "${JAVA[@]}" kafka.Kafka "$dir/server.properties"
}

case ${1:-} in
install) install ;;
start) shift && start "$@" ;;
stop) halt "$(realpath -m "$2")" "${3:-TERM}" ;;
*) die 'usage: install | start DIR PORT [N] | stop DIR [KILL]' ;;
esac
