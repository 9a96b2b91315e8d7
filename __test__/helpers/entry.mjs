export * from 'holdfast';
