// The page's side of the chat: one EventSource that listens, one POST that speaks.

const $ = (id) => document.getElementById(id);

// ---- listening --------------------------------------------------------------------------------

const STREAM = '/listen'; // the app's: it greets, and has sidestream go on
const againMs = () => 2000 + Math.random() * 4000; // spread out, so that not all pages come at once

const GAPS = {
  restarted: 'The server was restarted. What was said just before may be missing here.',
  evicted: 'You were away for long. Some of what was said meanwhile is missing here.',
  lagged: 'Your connection was too slow for a while. Some lines are missing here.',
};

let source;
let lastId = '';
let welcomed = false;

function listen() {
  // A new EventSource has no memory of the old one, and no header can be set: so the query tells.
  source = new EventSource(lastId ? `${STREAM}?last-event-id=${encodeURIComponent(lastId)}` : STREAM);

  source.onopen = () => show('live', 'Live');

  source.onerror = () => {
    show('connecting', 'Reconnecting…');
    // After a failed connection the browser tries again by itself. After a status other than 200,
    // say a 502 of some proxy on the way, it closes for good: then it is up to the page.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, againMs());
  };

  on('welcome', ({ text }) => {
    if (welcomed) return; // the app greets whoever comes, also who comes back
    welcomed = true;
    note(text);
    join();
  });
  on('said', ({ id, name, text, at }) => {
    const item = line('said', id === undefined ? undefined : `said-${id}`);
    if (!item) return; // it was shown before
    item.classList.toggle('mine', mine.has(id));
    const who = element('div', element('strong', name), time(at));
    who.className = 'who';
    item.append(who, element('p', text));
  });
  on('joined', ({ name, at }) => note(`${name} has come in · `, time(at)));
  on('sidestream.gap', ({ reason }) => {
    note(GAPS[reason] ?? 'Some of what was said may be missing here.').classList.add('gap');
  });
}

function on(type, act) {
  source.addEventListener(type, (event) => {
    lastId = event.lastEventId || lastId; // the app's greeting has none
    const atEnd = $('scroller').scrollHeight - $('scroller').scrollTop - $('scroller').clientHeight < 80;
    act(JSON.parse(event.data));
    if (atEnd) $('scroller').scrollTop = $('scroller').scrollHeight;
  });
}

function show(state, words) {
  $('state').dataset.state = state;
  $('state').textContent = words;
}

// ---- drawing ----------------------------------------------------------------------------------

/** An element with children; strings become text, never markup. */
function element(tag, ...children) {
  const made = document.createElement(tag);
  made.append(...children);
  return made;
}

/** A new entry of the list; none when that id is there already. */
function line(kind, id) {
  if (id && document.getElementById(id)) return undefined;
  const item = element('li');
  item.className = kind;
  if (id) item.id = id;
  $('lines').append(item);
  return item;
}

function note(...children) {
  const item = line('note');
  item.append(...children);
  return item;
}

function time(at) {
  const made = element('time', new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }));
  made.dateTime = at;
  return made;
}

// ---- speaking ---------------------------------------------------------------------------------

const mine = new Set(); // ids of what was said here

async function post(path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Error('There is no connection. Please try again.');
  }
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    throw new Error(told.error ?? 'The chat can’t be reached right now. Please try again.');
  }
}

const randomId = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, '0')).join('');

// What is being sent. It keeps its id until it has gone through, so that sending it again after an
// error can't say it twice.
let pending;

$('say').addEventListener('submit', async (event) => {
  event.preventDefault();
  const text = $('text').value.trim();
  if (!text) return;
  if (pending?.text !== text) pending = { id: randomId(), text };
  mine.add(pending.id);
  try {
    await post('/say', { ...pending, name: me });
    pending = undefined;
    if ($('text').value.trim() === text) $('text').value = '';
    $('problem').hidden = true;
  } catch (error) {
    $('problem').textContent = error.message;
    $('problem').hidden = false;
  }
  $('text').focus();
});

// ---- who ---------------------------------------------------------------------------------------

let me = sessionStorage.getItem('name') ?? '';

function join() {
  if (!me || !welcomed || sessionStorage.getItem('joined') === me) return;
  sessionStorage.setItem('joined', me);
  post('/join', { name: me }).catch(() => sessionStorage.removeItem('joined'));
}

function named() {
  sessionStorage.setItem('name', me);
  $('rename').textContent = me;
  $('rename').setAttribute('aria-label', `You are ${me}. Change your name`);
  $('say').hidden = false;
  $('text').focus();
  join();
}

function ask() {
  $('name').value = me;
  $('enter').showModal();
  $('name').select();
}

$('rename').addEventListener('click', ask);
$('enter').addEventListener('close', () => {
  me = $('name').value.trim() || me;
  if (me) named();
  else ask(); // without a name there is no coming in
});

listen();
if (me) named();
else ask();
