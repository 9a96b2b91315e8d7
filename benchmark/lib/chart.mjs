export function drawChart() { return ''; }
