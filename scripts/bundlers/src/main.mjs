import { prove } from './prove.mjs';

prove().then((outcome) => console.log(outcome));
